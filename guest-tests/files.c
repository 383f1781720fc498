// SPDX-License-Identifier: GPL-2.0-or-later
//
// Files and directories, in a fresh directory in /tmp that is gone at the end, and in /dev/shm.
#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "children.h"

static int make(const char* path, const char* contents) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
  CHECK(fd >= 0);
  CHECK_EQUAL(write(fd, contents, strlen(contents)), (long)strlen(contents));
  return fd;
}

static void make_and_close(const char* path, const char* contents) {
  CHECK(close(make(path, contents)) == 0);
}

static bool holds(const char* path, const char* contents) {
  char text[256];
  int fd = open(path, O_RDONLY);
  if (fd < 0) return false;
  ssize_t bytes = read(fd, text, sizeof text);
  CHECK(close(fd) == 0);
  return bytes == (ssize_t)strlen(contents) && memcmp(text, contents, (size_t)bytes) == 0;
}

static bool is_there(const char* path) {
  struct stat stat;
  if (lstat(path, &stat) == 0) return true;
  CHECK_EQUAL(errno, ENOENT);
  return false;
}

static long size_of(int fd) {
  struct stat stat;
  CHECK(fstat(fd, &stat) == 0);
  return stat.st_size;
}

static void opening(void) {
  char byte;
  CHECK_FAILS(open("none", O_RDONLY), ENOENT);
  CHECK_FAILS(open("none/file", O_RDWR | O_CREAT, 0600), ENOENT);
  int fd = make("file", "first");
  CHECK_FAILS(open("file", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  CHECK_FAILS(open("file/more", O_RDONLY), ENOTDIR);
  CHECK_FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
  CHECK_FAILS(open(".", O_RDWR), EISDIR);
  CHECK_FAILS(open(nowhere(), O_RDONLY), EFAULT);
  CHECK_FAILS(open("", O_RDONLY), ENOENT);
  int again = open("file", O_RDWR | O_CREAT, 0600), reader = open("file", O_RDONLY);
  CHECK_EQUAL(read(again, &byte, 1), 1);  // each open file has a place of its own
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), 5);
  CHECK_EQUAL(lseek(reader, 0, SEEK_CUR), 0);
  CHECK_FAILS(write(reader, "x", 1), EBADF);
  int end = open("file", O_WRONLY | O_APPEND);
  CHECK_FAILS(read(end, &byte, 1), EBADF);
  CHECK_EQUAL(write(fd, "-more", 5), 5);
  CHECK_EQUAL(lseek(end, 0, SEEK_SET), 0);
  CHECK_EQUAL(write(end, "-end", 4), 4);  // wherever it stood
  CHECK(holds("file", "first-more-end"));
  CHECK(close(open("file", O_WRONLY | O_TRUNC)) == 0);
  CHECK_EQUAL(size_of(reader), 0);
  CHECK_EQUAL(read(reader, &byte, 1), 0);
  int twin = dup(fd);
  CHECK_EQUAL(lseek(twin, 3, SEEK_SET), 3);  // one open file, two descriptors
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), 3);
  CHECK(unlink("file") == 0);
  CHECK(!is_there("file"));
  CHECK_EQUAL(pwrite(fd, "still", 5, 0), 5);  // lives until its last descriptor is closed
  CHECK_EQUAL(size_of(reader), 5);
  struct stat stat;
  CHECK(fstat(fd, &stat) == 0 && stat.st_nlink == 0);
  CHECK(close(fd) == 0 && close(again) == 0 && close(reader) == 0 && close(end) == 0 && close(twin) == 0);
  CHECK_FAILS(close(twin), EBADF);
  say("opening");
}

static void reading_and_writing(void) {
  int fd = make("data", "0123456789");
  char text[32] = "";
  CHECK_EQUAL(pread(fd, text, 4, 3), 4);
  CHECK(memcmp(text, "3456", 4) == 0);
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), 10);
  CHECK_EQUAL(pread(fd, text, 4, 9), 1);
  CHECK_EQUAL(pread(fd, text, 4, 10), 0);
  CHECK_FAILS(pread(fd, text, 1, -1), EINVAL);
  CHECK_FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
  CHECK_FAILS(lseek(fd, 0, 99), EINVAL);
  CHECK_EQUAL(lseek(fd, -2, SEEK_END), 8);
  struct iovec parts[2] = {{"ab", 2}, {"cd", 2}};
  CHECK_EQUAL(writev(fd, parts, 2), 4);
  parts[0] = (struct iovec){text, 3}, parts[1] = (struct iovec){text + 10, 9};
  CHECK_EQUAL(preadv(fd, parts, 2, 6), 6);
  CHECK(memcmp(text, "67a", 3) == 0 && memcmp(text + 10, "bcd", 3) == 0);
  CHECK_FAILS(write(fd, nowhere(), 1), EFAULT);
  CHECK_EQUAL(size_of(fd), 12);
  // Holes read as zeros, wherever they came from.
  CHECK_EQUAL(lseek(fd, 3 * kPage, SEEK_SET), 3 * kPage);
  CHECK_EQUAL(size_of(fd), 12);
  CHECK_EQUAL(write(fd, "far", 3), 3);
  char* page = malloc(4 * kPage);
  CHECK_EQUAL(pread(fd, page, 4 * kPage, 0), 3 * kPage + 3);
  for (int i = 12; i < 3 * kPage; i++) CHECK_EQUAL(page[i], 0);
  CHECK(ftruncate(fd, 5) == 0 && ftruncate(fd, 20) == 0);
  CHECK_EQUAL(pread(fd, page, kPage, 0), 20);
  CHECK(memcmp(page, "01234\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20) == 0);
  CHECK_FAILS(ftruncate(fd, -1), EINVAL);
  CHECK(truncate("data", 2) == 0);
  CHECK(holds("data", "01"));
  memset(page, 'p', 4 * kPage);
  CHECK_EQUAL(pwrite(fd, page, 4 * kPage, 0), 4 * kPage);
  enum { kKeepSize = 1, kPunchHole = 2 };
  if (fallocate(fd, kKeepSize | kPunchHole, kPage - 1, kPage + 2) == 0) {
    CHECK_EQUAL(pread(fd, page, 4 * kPage, 0), 4 * kPage);
    for (int i = 0; i < 4 * kPage; i++) CHECK_EQUAL(page[i], i < kPage - 1 || i > 2 * kPage ? 'p' : 0);
    CHECK(fallocate(fd, kKeepSize, 0, 8 * kPage) == 0);
    CHECK_EQUAL(size_of(fd), 4 * kPage);
    CHECK(fallocate(fd, 0, 0, 8 * kPage) == 0);
    CHECK_EQUAL(size_of(fd), 8 * kPage);
  } else {
    CHECK_EQUAL(errno, EOPNOTSUPP);
  }
  CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
  free(page);
  CHECK(close(fd) == 0 && unlink("data") == 0);
  say("reading, writing, holes");
}

static void flags_of_one_write(void) {
  enum { kAppend = 0x10, kNoAppend = 0x20 };
  int fd = make("flags", "base"), append = open("flags", O_RDWR | O_APPEND);
  struct iovec part = {"xyz", 3};
  CHECK_EQUAL(syscall(SYS_pwritev2, fd, &part, 1, 0l, 0l, kAppend), 3);  // wherever it should go
  CHECK(holds("flags", "basexyz"));
  CHECK_EQUAL(lseek(fd, 1, SEEK_SET), 1);
  CHECK_EQUAL(syscall(SYS_pwritev2, fd, &part, 1, -1l, 0l, kAppend), 3);
  CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), 10);
  CHECK_EQUAL(syscall(SYS_pwritev2, fd, &part, 0, 0l, 0l, 0x4000), 0);  // nothing is looked at
  CHECK_FAILS(syscall(SYS_pwritev2, fd, &part, 1, 0l, 0l, 0x4000), EOPNOTSUPP);
  CHECK_FAILS(syscall(SYS_pwritev2, fd, (void*)16, 1, 0l, 0l, 0x4000), EFAULT);
  CHECK_FAILS(syscall(SYS_pwritev2, 999, &part, 1, 0l, 0l, 0x4000), EBADF);
  CHECK_FAILS(syscall(SYS_pwritev2, 999, &part, 1, -5l, 0l, 0), EINVAL);
  if (syscall(SYS_pwritev2, append, &part, 1, 1l, 0l, kNoAppend) == 3) {  // since Linux 6.9
    CHECK(holds("flags", "bxyzxyzxyz"));
    CHECK_FAILS(syscall(SYS_pwritev2, append, &part, 1, 0l, 0l, kAppend | kNoAppend), EINVAL);
    CHECK_EQUAL(lseek(append, 4, SEEK_SET), 4);
    CHECK_EQUAL(syscall(SYS_pwritev2, append, &part, 1, -1l, 0l, kNoAppend), 3);
    CHECK_EQUAL(lseek(append, 0, SEEK_CUR), 7);
    CHECK_EQUAL(size_of(append), 10);
  } else {
    CHECK_EQUAL(errno, EOPNOTSUPP);
  }
  CHECK(close(fd) == 0 && close(append) == 0 && unlink("flags") == 0);
  say("flags of one write");
}

static void names(void) {
  make_and_close("a", "A");
  make_and_close("b", "B");
  CHECK(rename("a", "b") == 0);  // over another
  CHECK(!is_there("a") && holds("b", "A"));
  CHECK(rename("b", "b") == 0);
  CHECK_FAILS(rename("a", "c"), ENOENT);
  CHECK(link("b", "twin") == 0);
  CHECK_FAILS(link("b", "twin"), EEXIST);
  struct stat one, two;
  CHECK(stat("b", &one) == 0 && stat("twin", &two) == 0);
  CHECK(one.st_ino == two.st_ino && one.st_nlink == 2);
  CHECK(rename("b", "twin") == 0);  // the same file: nothing happens
  CHECK(is_there("b") && is_there("twin"));
  CHECK(unlink("b") == 0);
  CHECK(holds("twin", "A"));

  CHECK(symlink("twin", "soft") == 0);
  CHECK(holds("soft", "A"));
  char text[16];
  CHECK_EQUAL(readlink("soft", text, sizeof text), 4);
  CHECK(memcmp(text, "twin", 4) == 0);
  CHECK_EQUAL(readlink("soft", text, 2), 2);
  CHECK_FAILS(readlink("twin", text, sizeof text), EINVAL);
  CHECK(lstat("soft", &one) == 0 && S_ISLNK(one.st_mode) && one.st_size == 4);
  CHECK(stat("soft", &one) == 0 && S_ISREG(one.st_mode));
  CHECK_FAILS(open("soft", O_RDONLY | O_NOFOLLOW), ELOOP);
  CHECK(symlink("nothing", "broken") == 0);
  CHECK_FAILS(open("broken", O_RDONLY), ENOENT);
  CHECK(close(open("broken", O_WRONLY | O_CREAT, 0600)) == 0);  // makes what it points to
  CHECK(is_there("nothing"));
  CHECK(symlink("round", "round") == 0);
  CHECK_FAILS(open("round", O_RDONLY), ELOOP);
  static const char* const all[] = {"twin", "soft", "broken", "nothing", "round"};
  for (int i = 0; i < 5; i++) CHECK(unlink(all[i]) == 0);
  CHECK_FAILS(unlink("twin"), ENOENT);
  say("names, links and renaming");
}

static void directories(void) {
  char here[128], deep[128];
  CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
  CHECK_FAILS(mkdir("d", 0755), EEXIST);
  CHECK_FAILS(mkdir("x/y", 0755), ENOENT);
  make_and_close("d/e/file", "deep");
  CHECK_FAILS(rmdir("d/e"), ENOTEMPTY);
  CHECK_FAILS(rmdir("d/e/file"), ENOTDIR);
  CHECK_FAILS(unlink("d/e"), EISDIR);
  CHECK_FAILS(rename("d", "d/e/inside"), EINVAL);
  CHECK(mkdir("empty", 0755) == 0);
  make_and_close("plain", "");
  CHECK_FAILS(rename("d/e", "plain"), ENOTDIR);
  CHECK_FAILS(rename("plain", "d"), EISDIR);
  CHECK_FAILS(rename("empty", "d"), ENOTEMPTY);
  CHECK(rename("d", "empty") == 0);  // over an empty one
  CHECK(holds("empty/e/file", "deep") && holds("empty/../empty/./e//file", "deep"));
  CHECK(getcwd(here, sizeof here) != NULL);
  CHECK(chdir("empty/e") == 0);
  CHECK(getcwd(deep, sizeof deep) != NULL);
  CHECK(strncmp(deep, here, strlen(here)) == 0 && strcmp(deep + strlen(here), "/empty/e") == 0);
  CHECK_FAILS(syscall(SYS_getcwd, deep, 3), ERANGE);
  CHECK(holds("file", "deep") && holds("../../empty/e/file", "deep"));
  CHECK(chdir("../..") == 0);
  CHECK_FAILS(chdir("plain"), ENOTDIR);
  int directory = open("empty", O_RDONLY | O_DIRECTORY);
  int fd = openat(directory, "e/file", O_RDWR);
  CHECK(directory >= 0 && fd >= 0);
  CHECK(mkdirat(directory, "f", 0700) == 0);
  CHECK(renameat(directory, "e/file", directory, "f/moved") == 0);
  CHECK(faccessat(directory, "f/moved", R_OK, 0) == 0);
  CHECK_FAILS(openat(fd, "x", O_RDONLY), ENOTDIR);
  CHECK_FAILS(unlinkat(directory, "e", 0), EISDIR);
  CHECK(unlinkat(directory, "e", AT_REMOVEDIR) == 0);
  CHECK(fchdir(directory) == 0 && holds("f/moved", "deep") && chdir("..") == 0);
  CHECK_FAILS(read(directory, deep, 1), EISDIR);
  CHECK(unlink("empty/f/moved") == 0 && rmdir("empty/f") == 0 && rmdir("empty") == 0 && unlink("plain") == 0);
  CHECK_FAILS(openat(directory, "new", O_RDWR | O_CREAT, 0600), ENOENT);  // it is gone, though still open
  CHECK(close(directory) == 0 && close(fd) == 0);
  say("directories");
}

static int compare_names(const void* a, const void* b) { return strcmp(a, b); }

// The sorted names, without . and .., which must be there; in as many calls as the library takes.
static int list(DIR* stream, char names[][32], int most) {
  int count = 0, dots = 0;
  struct dirent* entry;
  while ((errno = 0, entry = readdir(stream)) != NULL) {
    if (entry->d_name[0] == '.') {
      dots++;
      CHECK(entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN);
      continue;
    }
    CHECK(count < most && strlen(entry->d_name) < 32);
    CHECK(entry->d_ino != 0);
    strcpy(names[count++], entry->d_name);
  }
  CHECK(errno == 0 && dots == 2);
  qsort(names, (size_t)count, 32, compare_names);
  return count;
}

static void listings(void) {
  enum { kFiles = 1000 };
  static char names[kFiles + 10][32];
  char path[64];
  CHECK(mkdir("many", 0755) == 0);
  for (int i = 0; i < kFiles; i++) {
    snprintf(path, sizeof path, "many/file-%03d", i);
    make_and_close(path, "");
  }
  DIR* stream = opendir("many");
  CHECK(stream != NULL);
  CHECK_EQUAL(list(stream, names, kFiles + 10), kFiles);
  for (int i = 0; i < kFiles; i++) {
    snprintf(path, sizeof path, "file-%03d", i);
    CHECK(strcmp(names[i], path) == 0);
  }
  // While it is being read: what was there before and after comes exactly once.
  rewinddir(stream);
  int seen[kFiles] = {0}, number, changed = 0;
  struct dirent* entry;
  while ((entry = readdir(stream)) != NULL) {
    if (entry->d_name[0] == '.') continue;
    CHECK_EQUAL(sscanf(entry->d_name, "file-%d", &number), 1);
    if (number >= kFiles) continue;  // a new one may be seen or not
    seen[number]++;
    if (++changed > 100) continue;
    CHECK(unlinkat(dirfd(stream), entry->d_name, 0) == 0);  // the very one that was read
    snprintf(path, sizeof path, "many/file-%d", kFiles + changed);
    make_and_close(path, "");
  }
  for (int i = 0; i < kFiles; i++) CHECK_EQUAL(seen[i], 1);
  rewinddir(stream);
  CHECK_EQUAL(list(stream, names, kFiles + 10), kFiles);
  for (int i = 0; i < kFiles; i++) {
    CHECK(unlinkat(dirfd(stream), names[i], 0) == 0);
  }
  rewinddir(stream);
  CHECK_EQUAL(list(stream, names, kFiles + 10), 0);
  CHECK(closedir(stream) == 0);
  CHECK(rmdir("many") == 0);
  say("%d files listed, while some come and go", kFiles);
}

static void metadata(void) {
  struct stat info;
  CHECK_EQUAL(umask(027), 022);
  CHECK(close(open("masked", O_WRONLY | O_CREAT, 0666)) == 0 && mkdir("masked.d", 0777) == 0);
  CHECK_EQUAL(umask(022), 027);
  CHECK(stat("masked", &info) == 0 && info.st_mode == (S_IFREG | 0640));
  CHECK(stat("masked.d", &info) == 0 && info.st_mode == (S_IFDIR | 0750));
  CHECK(chmod("masked", 0751) == 0 && stat("masked", &info) == 0 && info.st_mode == (S_IFREG | 0751));
  CHECK(access("masked", F_OK) == 0 && access("masked", X_OK) == 0);
  CHECK_FAILS(access("none", F_OK), ENOENT);
  int fd = open("masked", O_RDWR);
  CHECK(fchmod(fd, 0600) == 0 && fstat(fd, &info) == 0 && info.st_mode == (S_IFREG | 0600));
  CHECK(info.st_uid == getuid() && info.st_nlink == 1 && info.st_size == 0 && info.st_blksize > 0);
  CHECK_EQUAL(write(fd, "12345", 5), 5);
  CHECK(stat("masked", &info) == 0 && info.st_size == 5 && info.st_blocks > 0);
  struct timespec times[2] = {{1000, 5}, {2000, 6}};
  CHECK(utimensat(AT_FDCWD, "masked", times, 0) == 0);
  CHECK(stat("masked", &info) == 0 && info.st_mtim.tv_sec == 2000 && info.st_mtim.tv_nsec == 6);
  CHECK_EQUAL(write(fd, "6", 1), 1);
  CHECK(stat("masked", &info) == 0 && info.st_mtim.tv_sec != 2000);
  struct {  // struct statx, which musl 1.2.3 does not have
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode, unused;
    uint64_t inode, size, rest[26];
  } extended = {0};
  CHECK(syscall(SYS_statx, AT_FDCWD, "masked", 0, 0x7ff, &extended) == 0);
  CHECK((extended.mask & 0x7ff) == 0x7ff && extended.size == 6 && extended.mode == (S_IFREG | 0600));
  CHECK(extended.inode == info.st_ino && extended.links == 1);
  CHECK(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, &extended) == 0 && extended.size == 6);
  CHECK(close(fd) == 0 && unlink("masked") == 0 && rmdir("masked.d") == 0);
  CHECK(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
  CHECK(stat("/tmp", &info) == 0 && S_ISDIR(info.st_mode));
  say("metadata");
}

static void mappings(void) {
  int fd = make("mapped", "");
  CHECK(ftruncate(fd, 3 * kPage) == 0);
  char* shared = mmap(NULL, 3 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* mine = mmap(NULL, 3 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  CHECK(shared != MAP_FAILED && mine != MAP_FAILED);
  memcpy(shared + kPage, "written", 8);
  char text[8];
  CHECK_EQUAL(pread(fd, text, 8, kPage), 8);
  CHECK(strcmp(text, "written") == 0 && strcmp(mine + kPage, "written") == 0);
  write_byte(mine + kPage, 'W');
  CHECK_EQUAL(read_byte(shared + kPage), 'w');
  CHECK_EQUAL(pwrite(fd, "x", 1, 2 * kPage), 1);
  CHECK(read_byte(shared + 2 * kPage) == 'x' && read_byte(mine + 2 * kPage) == 'x');
  pid_t pid = checked_fork();
  if (pid == 0) {
    int own = open("mapped", O_RDWR);
    char* other = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
    CHECK(other != MAP_FAILED);
    write_byte(other, 'c');
    write_byte(mine, 'm');
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  CHECK(read_byte(shared) == 'c' && read_byte(mine) == 'c');
  CHECK(msync(shared, 3 * kPage, MS_SYNC) == 0);
  CHECK(close(fd) == 0 && unlink("mapped") == 0);
  write_byte(shared, 'd');  // a mapping holds the file as a descriptor does
  CHECK_EQUAL(read_byte(mine), 'd');
  CHECK(munmap(shared, 3 * kPage) == 0 && munmap(mine, 3 * kPage) == 0);
  say("files mapped");
}

static void locks(void) {
  int fd = make("locked", ""), other = open("locked", O_RDWR);
  struct Gate go = make_gate();
  CHECK(flock(fd, LOCK_SH) == 0 && flock(other, LOCK_SH | LOCK_NB) == 0);
  CHECK_FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  CHECK(flock(other, LOCK_UN) == 0 && flock(fd, LOCK_EX) == 0);
  CHECK_FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  pid_t pid = checked_fork();
  if (pid == 0) {
    CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0);  // the open file has the lock, not the process
    int own = open("locked", O_RDWR);
    CHECK_FAILS(flock(own, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    open_gate(go);
    CHECK(flock(own, LOCK_EX) == 0);
    _exit(0);
  }
  pass_gate(go);
  CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
  CHECK(flock(fd, LOCK_UN) == 0);
  CHECK_EXITS(pid, 0);
  CHECK(flock(other, LOCK_EX | LOCK_NB) == 0);  // it went with its file
  CHECK(close(fd) == 0 && close(other) == 0 && unlink("locked") == 0);
  remove_gate(go);
  say("flock");
}

static void shared_memory_files(void) {
  char name[40];
  snprintf(name, sizeof name, "/files-test-%d", getpid());
  int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, kPage) == 0);
  pid_t pid = checked_fork();
  if (pid == 0) {
    int own = shm_open(name, O_RDWR, 0);
    CHECK(own >= 0);
    char* memory = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
    CHECK(memory != MAP_FAILED);
    strcpy(memory, "from the child");
    _exit(0);
  }
  CHECK_EXITS(pid, 0);
  char text[32];
  CHECK_EQUAL(pread(fd, text, sizeof text, 0), sizeof text);
  CHECK(strcmp(text, "from the child") == 0);
  CHECK(shm_unlink(name) == 0);
  CHECK_FAILS(shm_unlink(name), ENOENT);
  CHECK(close(fd) == 0);
  say("/dev/shm");
}

int main(void) {
  char folder[] = "/tmp/files-test-XXXXXX";
  umask(022);
  CHECK(mkdtemp(folder) != NULL);
  CHECK(chdir(folder) == 0);
  opening();
  reading_and_writing();
  flags_of_one_write();
  names();
  directories();
  listings();
  metadata();
  mappings();
  locks();
  shared_memory_files();
  CHECK(chdir("/") == 0);
  CHECK(rmdir(folder) == 0);  // nothing was left
  return 0;
}
