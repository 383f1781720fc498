// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/recorder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "trace/crc32.h"

namespace mmuscope::trace {
namespace {

std::span<const uint8_t> bytes_of(const auto& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

std::vector<uint8_t> file_header(const TraceInfo& info) {
  std::vector<uint8_t> encoded;
  info.encode(encoded);
  std::vector<uint8_t> header(kMagic, kMagic + 8);
  const auto append = [&](std::span<const uint8_t> part) {
    header.insert(header.end(), part.begin(), part.end());
  };
  const uint16_t versions[] = {kFormatVersion, trace_abi::kTraceAbiVersion};
  append(bytes_of(versions));
  append(bytes_of(static_cast<uint32_t>(encoded.size())));
  append(encoded);
  append(bytes_of(crc32(header)));
  return header;
}

constexpr char kNoTrace[] = "is not a trace: it would be overwritten";

// Makes the file empty unless another run is writing it, which lasts as long as that run has it open, or it
// holds anything but a trace. Where there are no locks, nobody is held off. Pipes and devices have no
// contents to lose. Returns what is in the way, "" for nothing.
std::string empty_for_one_writer(int fd, const std::string& path) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::strerror(errno);
  if (!S_ISREG(status.st_mode)) return "";
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return "another run is writing it";
  if (status.st_size != 0) {
    char magic[8] = {};
    const int reading = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (reading < 0) return std::strerror(errno);
    const ssize_t count = ::read(reading, magic, sizeof magic);
    ::close(reading);
    if (count != sizeof magic || std::memcmp(magic, kMagic, sizeof magic) != 0) return kNoTrace;
  }
  return ::ftruncate(fd, 0) != 0 ? std::strerror(errno) : "";
}

}  // namespace

Expected<std::unique_ptr<Recorder>> Recorder::create(const std::string& path, const TraceInfo& info,
                                                     const SymbolTable& kernel, ImageSource images) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::kUsage, "cannot write trace " + path + ": " + why);
  };
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return refuse(std::strerror(errno));
  if (const std::string why = empty_for_one_writer(fd, path); !why.empty()) {
    ::close(fd);
    return why == kNoTrace ? fail(ErrorKind::kUsage, path + " " + why) : refuse(why);
  }
  std::unique_ptr<Recorder> recorder(new Recorder(fd, path, std::move(images)));
  recorder->write(file_header(info));
  recorder->add_image(kKernelImage, kernel);
  if (recorder->error_ != 0)
    return fail(ErrorKind::kUsage, "cannot write trace " + path + ": " + std::strerror(recorder->error_));
  return recorder;
}

Recorder::Recorder(int fd, std::string path, ImageSource images)
    : fd_(fd), path_(std::move(path)), images_(std::move(images)) {
  payload_.reserve(kBlockBytes + 1024);
}

Recorder::~Recorder() {
  if (fd_ < 0) return;
  seal();
  ::close(fd_);
}

void Recorder::put(const Event& event) {
  advance(event.moment.icount);
  if (const Tracepoint* point = event.as<Tracepoint>();
      point != nullptr && point->type() == trace_abi::TraceType::kExec && images_) {
    const char* text = point->record.text;
    const std::string path(text, strnlen(text, sizeof point->record.text));
    if (!known_images_.contains(path)) add_image(path, images_(path));
  }
  if (events_ == 0) epoch_ = event.moment.icount >> kEpochShift;
  EMU_CHECK(event.seq == first_event_ + events_, "events are numbered from 1 without gaps");
  encoder_.encode(event, payload_);
  ++events_;
  if (payload_.size() >= kBlockBytes) seal();
}

void Recorder::add_image(const std::string& path, const SymbolTable& symbols) {
  known_images_.insert(path);
  if (symbols.empty()) return;
  seal();
  std::vector<uint8_t> payload;
  ByteWriter writer(payload);
  writer.number(path.size());
  writer.text(path.data(), path.size());
  if (symbols.encode(payload) && payload.size() <= kLargestBlock)
    write_block(BlockKind::kSymbols, 0, 0, payload);
}

Expected<void> Recorder::close(const RunEnd& end) {
  seal();
  std::vector<uint8_t> payload;
  end.encode(payload);
  write_block(BlockKind::kEnd, first_event_, 0, payload);
  if (::close(fd_) != 0 && error_ == 0) error_ = errno;
  fd_ = -1;
  if (error_ != 0)
    return fail(ErrorKind::kHost, "trace " + path_ + " is not complete: " + std::strerror(error_));
  return {};
}

void Recorder::seal() {
  if (events_ == 0) return;
  write_block(BlockKind::kEvents, first_event_, events_, payload_);
  payload_.clear();
  encoder_.reset();
  first_event_ += events_;
  events_ = 0;
}

void Recorder::write_block(BlockKind kind, uint64_t first_event, uint32_t events,
                           std::span<const uint8_t> payload) {
  BlockHeader header{.kind = kind,
                     .bytes = static_cast<uint32_t>(payload.size()),
                     .first_event = first_event,
                     .events = events,
                     .crc = 0};
  header.crc = block_crc(header, payload);
  write(bytes_of(header));
  write(payload);
}

void Recorder::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty() && error_ == 0) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count >= 0)
      bytes = bytes.subspan(static_cast<size_t>(count));
    else if (errno != EINTR)
      error_ = errno;
  }
}

}  // namespace mmuscope::trace
