// SPDX-License-Identifier: GPL-2.0-or-later
//
// pipeline_server WORKERS THREADS: a job server as one would write it for Linux. The server forks workers,
// each with threads; jobs go out and results come back over pipes; SIGUSR1 asks for a report, SIGCHLD tells
// of workers that died (their jobs are given to others, and they are replaced), a timer looks for work that
// stands still, and SIGTERM ends it all. The jobs are to count primes, to multiply matrices and to sort
// words.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORKERS 8
#define MAX_THREADS 8
#define JOBS 60
#define CRASHING_JOB 17 /* kills the first worker that gets it */

enum kind { PRIMES, MATRIX, WORDS, KINDS };
static const char* const kind_names[KINDS] = {"primes", "matrix", "words"};

struct job {
  int number;
  enum kind kind;
  uint32_t argument;
  bool crash;
};

struct result {
  int number;
  uint64_t value;
};

static void fail(const char* what) {
  perror(what);
  exit(1);
}

/* Records are shorter than PIPE_BUF, so they are never torn; reads may be short all the same. */
static bool read_record(int fd, void* record, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t got = read(fd, (char*)record + done, size - done);
    if (got == 0) return false;
    if (got < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    done += (size_t)got;
  }
  return true;
}

static bool write_record(int fd, const void* record, size_t size) {
  ssize_t written;
  do written = write(fd, record, size);
  while (written < 0 && errno == EINTR);
  return written == (ssize_t)size;
}

/* ---- The work ---- */

static uint64_t count_primes(uint32_t from) {
  uint64_t count = 0;
  for (uint32_t n = from; n < from + 400; n++) {
    bool prime = n > 1;
    for (uint32_t d = 2; d * d <= n && prime; d++) prime = n % d != 0;
    count += prime;
  }
  return count;
}

static uint64_t matrix_checksum(uint32_t seed) {
  enum { N = 24 };
  double(*m)[N][N] = malloc(3 * sizeof *m);
  uint32_t state = seed;
  for (int i = 0; i < 2 * N * N; i++) {
    state = state * 1664525u + 1013904223u;
    (&m[0][0][0])[i] = (double)(state >> 24);
  }
  uint64_t checksum = 0;
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++) {
      m[2][i][j] = 0;
      for (int k = 0; k < N; k++) m[2][i][j] += m[0][i][k] * m[1][k][j];
      checksum = checksum * 31 + (uint64_t)m[2][i][j];
    }
  }
  free(m);
  return checksum;
}

static int compare_words(const void* a, const void* b) {
  return strcmp(*(const char* const*)a, *(const char* const*)b);
}

static uint64_t sorted_words_checksum(uint32_t seed) {
  enum { COUNT = 400 };
  char** words = malloc(COUNT * sizeof *words);
  uint32_t state = seed;
  for (int i = 0; i < COUNT; i++) {
    state = state * 1664525u + 1013904223u;
    size_t length = 3 + (state >> 28);
    words[i] = malloc(length + 1);
    for (size_t c = 0; c < length; c++) {
      state = state * 1664525u + 1013904223u;
      words[i][c] = (char)('a' + (state >> 16) % 26);
    }
    words[i][length] = 0;
  }
  qsort(words, COUNT, sizeof *words, compare_words);
  uint64_t checksum = 0;
  for (int i = 0; i < COUNT; i++) {
    for (const char* c = words[i]; *c; c++) checksum = checksum * 131 + (uint8_t)*c;
    free(words[i]);
  }
  free(words);
  return checksum;
}

static uint64_t do_job(const struct job* job) {
  switch (job->kind) {
    case PRIMES:
      return count_primes(job->argument);
    case MATRIX:
      return matrix_checksum(job->argument);
    default:
      return sorted_words_checksum(job->argument);
  }
}

/* ---- A worker: its first thread reads jobs into a queue, the others work ---- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct job jobs[4];
  int count;
  bool closed;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
static int results_fd;

static void* work(void* unused) {
  (void)unused;
  for (;;) {
    pthread_mutex_lock(&queue.lock);
    while (queue.count == 0 && !queue.closed) pthread_cond_wait(&queue.changed, &queue.lock);
    if (queue.count == 0) {
      pthread_mutex_unlock(&queue.lock);
      return NULL;
    }
    struct job job = queue.jobs[--queue.count];
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    if (job.crash) raise(SIGKILL);
    struct result result = {job.number, do_job(&job)};
    if (!write_record(results_fd, &result, sizeof result)) _exit(3);
  }
}

static void be_worker(int jobs_fd, int output_fd, int threads) {
  signal(SIGUSR1, SIG_IGN);
  signal(SIGTERM, SIG_IGN); /* the server closes our pipe when it is time */
  signal(SIGCHLD, SIG_DFL);
  results_fd = output_fd;
  pthread_t ids[MAX_THREADS];
  for (int i = 0; i < threads; i++) {
    if (pthread_create(&ids[i], NULL, work, NULL) != 0) _exit(4);
  }
  struct job job;
  while (read_record(jobs_fd, &job, sizeof job)) {
    pthread_mutex_lock(&queue.lock);
    while (queue.count == 4) pthread_cond_wait(&queue.changed, &queue.lock);
    queue.jobs[queue.count++] = job;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
  }
  pthread_mutex_lock(&queue.lock);
  queue.closed = true;
  pthread_cond_broadcast(&queue.changed);
  pthread_mutex_unlock(&queue.lock);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  _exit(0);
}

/* ---- The server ---- */

struct worker {
  pid_t pid;
  int jobs_fd, results_fd;
  int outstanding;
  bool hung_up;
};

static struct worker workers[MAX_WORKERS];
static int worker_count, thread_count;
static struct job jobs[JOBS];
static int given_to[JOBS]; /* -1: to nobody */
static bool finished[JOBS];
static uint64_t values[JOBS];
static int jobs_finished, workers_lost, workers_ended, reports;
static volatile sig_atomic_t wants_report, wants_end, child_died, watchdog_ticks;

static void on_signal(int number) {
  if (number == SIGUSR1) wants_report = 1;
  if (number == SIGTERM) wants_end = 1;
  if (number == SIGCHLD) child_died = 1;
  if (number == SIGALRM) watchdog_ticks++;
}

/* In a child: or nobody would ever see the end of a worker's pipe. */
static void close_pipes_of_workers(void) {
  for (int i = 0; i < worker_count; i++) {
    if (workers[i].pid > 0) close(workers[i].jobs_fd), close(workers[i].results_fd);
  }
}

static void start_worker(struct worker* worker) {
  int to_worker[2], from_worker[2];
  if (pipe2(to_worker, O_CLOEXEC) != 0 || pipe2(from_worker, O_CLOEXEC) != 0) fail("pipe2");
  fflush(stdout);
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    close_pipes_of_workers();
    close(to_worker[1]), close(from_worker[0]);
    be_worker(to_worker[0], from_worker[1], thread_count);
  }
  close(to_worker[0]), close(from_worker[1]);
  *worker = (struct worker){.pid = pid, .jobs_fd = to_worker[1], .results_fd = from_worker[0]};
}

static void take_result(struct worker* worker) {
  struct result result;
  if (!read_record(worker->results_fd, &result, sizeof result)) return; /* SIGCHLD tells why */
  if (result.number < 0 || result.number >= JOBS || finished[result.number]) {
    printf("a result that nobody asked for\n");
    exit(1);
  }
  finished[result.number] = true;
  values[result.number] = result.value;
  worker->outstanding--;
  jobs_finished++;
}

static void bury_workers(void) {
  int status;
  pid_t pid;
  child_died = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    struct worker* worker = workers;
    while (worker < workers + worker_count && worker->pid != pid) worker++;
    if (worker == workers + worker_count) continue; /* the friend below */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      workers_ended++;
      worker->pid = 0;
      continue;
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
      printf("a worker ended with status %#x\n", (unsigned)status);
      exit(1);
    }
    workers_lost++;
    struct pollfd left = {.fd = worker->results_fd, .events = POLLIN};
    while (poll(&left, 1, 0) == 1 && (left.revents & POLLIN)) take_result(worker);
    close(worker->jobs_fd), close(worker->results_fd);
    worker->pid = 0;
    for (int i = 0; i < JOBS; i++) {
      if (given_to[i] != worker - workers || finished[i]) continue;
      given_to[i] = -1;
      jobs[i].crash = false;
    }
    start_worker(worker);
  }
}

static void give_jobs(void) {
  for (int w = 0; w < worker_count; w++) {
    for (int i = 0; i < JOBS && workers[w].outstanding < 2 * thread_count; i++) {
      if (given_to[i] >= 0) continue;
      if (!write_record(workers[w].jobs_fd, &jobs[i], sizeof jobs[i])) break; /* it has just died */
      given_to[i] = w;
      workers[w].outstanding++;
    }
  }
}

static void report(void) {
  int given = 0;
  wants_report = 0;
  reports++;
  for (int i = 0; i < JOBS; i++) given += given_to[i] >= 0;
  printf("report %d: the books are %s\n", reports, given >= jobs_finished ? "in order" : "wrong");
}

static void look_after(void) {
  if (child_died) bury_workers();
  if (wants_report) report();
}

static void watch(void) {
  static int last_tick, last_finished, idle_ticks;
  if (watchdog_ticks == last_tick) return;
  idle_ticks = jobs_finished == last_finished ? idle_ticks + 1 : 0;
  last_tick = watchdog_ticks, last_finished = jobs_finished;
  if (idle_ticks < 400) return;
  printf("nothing has moved for a long time\n");
  exit(1);
}

static void serve(void) {
  sigset_t none;
  sigemptyset(&none);
  while (jobs_finished < JOBS) {
    struct pollfd fds[MAX_WORKERS];
    give_jobs();
    /* A pipe that is hung up is always ready, and ppoll lets signals in only when nothing is. */
    for (int w = 0; w < worker_count; w++)
      fds[w] = (struct pollfd){.fd = workers[w].hung_up ? -1 : workers[w].results_fd, .events = POLLIN};
    int ready = ppoll(fds, (nfds_t)worker_count, NULL, &none);
    if (ready < 0 && errno != EINTR) fail("ppoll");
    for (int w = 0; w < worker_count && ready > 0; w++) {
      if (fds[w].revents & POLLIN)
        take_result(&workers[w]);
      else if (fds[w].revents & POLLHUP)
        workers[w].hung_up = true;
    }
    look_after();
    watch();
  }
}

/* Somebody from outside, who wants a report, another one, and the end; what comes next when the server nods.
 */
static void start_friend(pid_t server, const int nods[2]) {
  static const int signals[] = {SIGUSR1, SIGUSR1, SIGTERM};
  fflush(stdout);
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid > 0) return;
  close_pipes_of_workers();
  close(nods[1]);
  for (int i = 0; i < 3; i++) {
    char byte;
    kill(server, signals[i]);
    if (i < 2 && read(nods[0], &byte, 1) != 1) _exit(1);
  }
  _exit(0);
}

static void set_up_signals(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  static const int numbers[] = {SIGUSR1, SIGTERM, SIGCHLD, SIGALRM};
  for (int i = 0; i < 4; i++) {
    sigaddset(&action.sa_mask, numbers[i]);
  }
  for (int i = 0; i < 4; i++) {
    if (sigaction(numbers[i], &action, NULL) != 0) fail("sigaction");
  }
  sigprocmask(SIG_BLOCK, &action.sa_mask, NULL);
  signal(SIGPIPE, SIG_IGN);
}

static void wait_for_reports(int wanted) {
  sigset_t none;
  sigemptyset(&none);
  while (reports < wanted) {
    sigsuspend(&none);
    look_after();
  }
}

static void shut_down(void) {
  sigset_t none;
  sigemptyset(&none);
  while (!wants_end) sigsuspend(&none);
  for (int w = 0; w < worker_count; w++) close(workers[w].jobs_fd);
  look_after();
  while (workers_ended < worker_count) {
    sigsuspend(&none);
    look_after();
  }
}

static int judge(void) {
  uint64_t checksums[KINDS] = {0};
  int wrong = 0;
  for (int i = 0; i < JOBS; i++) {
    wrong += values[i] != do_job(&jobs[i]);
    checksums[jobs[i].kind] = checksums[jobs[i].kind] * 31 + values[i];
  }
  for (int k = 0; k < KINDS; k++) printf("%s %016llx\n", kind_names[k], (unsigned long long)checksums[k]);
  printf("%d jobs done, %d wrong, %d workers ended, %d lost\n", jobs_finished, wrong, workers_ended,
         workers_lost);
  return wrong == 0 && workers_lost == 1 ? 0 : 1;
}

int main(int argc, char** argv) {
  worker_count = argc > 1 ? atoi(argv[1]) : 3;
  thread_count = argc > 2 ? atoi(argv[2]) : 2;
  if (worker_count < 1 || worker_count > MAX_WORKERS || thread_count < 1 || thread_count > MAX_THREADS) {
    fprintf(stderr, "usage: pipeline_server WORKERS THREADS\n");
    return 2;
  }
  set_up_signals();
  for (int i = 0; i < JOBS; i++) {
    jobs[i] = (struct job){
        .number = i, .kind = i % KINDS, .argument = 1000u * (unsigned)i, .crash = i == CRASHING_JOB};
    given_to[i] = -1;
  }
  int nods[2];
  if (pipe2(nods, O_CLOEXEC) != 0) fail("pipe2");
  for (int w = 0; w < worker_count; w++) start_worker(&workers[w]);
  start_friend(getpid(), nods);
  struct itimerval timer = {{0, 20000}, {0, 20000}}, never = {0};
  setitimer(ITIMER_REAL, &timer, NULL);

  serve();
  wait_for_reports(1);
  write_record(nods[1], "", 1);
  wait_for_reports(2);
  write_record(nods[1], "", 1);
  setitimer(ITIMER_REAL, &never, NULL);
  shut_down();
  return judge();
}
