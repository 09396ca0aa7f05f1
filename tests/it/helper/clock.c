/* A test sets the wall clock of one program with this library. It is loaded before libc, and adds a number of
 * nanoseconds, which it reads from a file, to the time of day. The clocks by which programs wait are not changed. The
 * library can also let the directory of users hang, as LDAP does without its network. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

/* Returns the nanoseconds that the clock is ahead of the real one. The test writes them while the program runs. */
static int64_t ahead(void) {
    static volatile int64_t *shared;
    if (!shared) {
        static int64_t none;
        const char *path = getenv("SHIFTED_CLOCK");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        shared = mapped == MAP_FAILED ? &none : mapped;
    }
    return *shared;
}

static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find(void) {
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (!real_clock_gettime) find();
    int result = real_clock_gettime(clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t nanoseconds = (int64_t)at->tv_sec * SECOND + at->tv_nsec + ahead();
        at->tv_sec = nanoseconds / SECOND;
        at->tv_nsec = nanoseconds % SECOND;
    }
    return result;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *at) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return (time_t)-1;
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int getpwuid_r(uid_t user, struct passwd *entry, char *buffer, size_t size, struct passwd **found) {
    static int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **);
    while (getenv("HUNG_DIRECTORY")) sleep(3600);
    if (!real) real = dlsym(RTLD_NEXT, "getpwuid_r");
    return real(user, entry, buffer, size, found);
}
