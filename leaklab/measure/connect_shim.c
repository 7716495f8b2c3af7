/* Notes the connections that a program opens by way of libc, for `leaklab trace` (docs/tracing.md).
 *
 * Loaded by LD_PRELOAD. Each line is written to the file that LEAKLAB_EVENTS names, which is opened for it: no
 * descriptor stays open that the program could close, inherit or run out of. measure/counting.py reads the lines.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char file[4096];
static int missed;

static int written(const char *line, int length) {
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    int whole = syscall(SYS_write, fd, line, length) == length;
    syscall(SYS_close, fd);
    return whole;
}

static void say_line(const char *line, int length) {
    int error = errno;
    if (!file[0]) return;
    if (missed && written("missed\n", 7)) missed = 0;
    if (!written(line, length)) missed = 1;
    errno = error;
}

static void say(const char *what, unsigned long number) {
    char line[128];
    say_line(line, snprintf(line, sizeof line, "%s %d %lu\n", what, (int)getpid(), number));
}

/* A program is started: which one. */
static void say_starts(const char *path) {
    char line[512];
    const char *name = path ? strrchr(path, '/') : "";
    name = name ? name + (*name == '/') : path;
    say_line(line, snprintf(line, sizeof line, "starts %d %.255s\n", (int)getpid(), name));
}

/* Which program this is: the numbers of its file, and its path. */
static void say_image(const char *what) {
    char line[4096 + 128], path[4096];
    struct stat image;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (stat("/proc/self/exe", &image) != 0 || length < 0) return;
    length = snprintf(line, sizeof line, "%s %d %lu %lu %.*s\n", what, (int)getpid(), (unsigned long)image.st_dev,
                      (unsigned long)image.st_ino, (int)length, path);
    say_line(line, length);
}

static void say_forked(void) { say_image("forked"); }

__attribute__((constructor)) static void begin(void) {
    const char *given = getenv("LEAKLAB_EVENTS");
    if (!given || strlen(given) >= sizeof file) return;
    strcpy(file, given);
    pthread_atfork(NULL, NULL, say_forked);
    say_image("hello");
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    int error = errno, type = 0;
    socklen_t size = sizeof type;
    struct stat status;
    if (address && (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM && fstat(fd, &status) == 0)
        say("connect", status.st_ino);
    errno = error;
    return next(fd, address, length);
}

/* Programs that are started: each has to say hello, or else its connections are not counted. */
#define STARTS(name, parameters, ...)                          \
    int name parameters {                                      \
        int (*next) parameters = dlsym(RTLD_NEXT, #name);      \
        say_starts(path);                                      \
        int result = next(__VA_ARGS__);                        \
        say("failed", 0);                                   \
        return result;                                         \
    }
STARTS(execve, (const char *path, char *const a[], char *const e[]), path, a, e)
STARTS(execv, (const char *path, char *const a[]), path, a)
STARTS(execvp, (const char *path, char *const a[]), path, a)
STARTS(execvpe, (const char *path, char *const a[], char *const e[]), path, a, e)

#define SPAWNS(name)                                                                                          \
    int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                         \
             const posix_spawnattr_t *how, char *const a[], char *const e[]) {                                \
        int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,     \
                    char *const[], char *const[]) = dlsym(RTLD_NEXT, #name);                                  \
        say_starts(path);                                                                                     \
        int result = next(pid, path, actions, how, a, e);                                                     \
        if (result != 0) say("failed", 0);                                                                    \
        return result;                                                                                        \
    }
SPAWNS(posix_spawn)
SPAWNS(posix_spawnp)

int system(const char *command) {
    int (*next)(const char *) = dlsym(RTLD_NEXT, "system");
    if (command) say_starts("sh");
    return next(command);
}

FILE *popen(const char *command, const char *mode) {
    FILE *(*next)(const char *, const char *) = dlsym(RTLD_NEXT, "popen");
    say_starts("sh");
    FILE *stream = next(command, mode);
    if (!stream) say("failed", 0);
    return stream;
}
