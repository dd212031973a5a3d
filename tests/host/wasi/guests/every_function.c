/* Calls every function of libc's own declaration of preview 1 and prints what each answered. */
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define SHOW(name, ...) printf(#name " %d\n", __wasi_##name(__VA_ARGS__))

static uint8_t buffer[256];
static __wasi_size_t size, other;
static __wasi_fd_t fd;
static __wasi_filesize_t offset;
static __wasi_timestamp_t moment;
static __wasi_fdstat_t fdstat;
static __wasi_filestat_t filestat;
static __wasi_prestat_t prestat;
static __wasi_roflags_t flags;
static __wasi_iovec_t iovec = {buffer, sizeof buffer};
static __wasi_ciovec_t ciovec = {buffer, 0};
static uint8_t *pointers[8];
static __wasi_event_t event;

int main(void) {
    __wasi_subscription_t subscription;
    memset(&subscription, 0, sizeof subscription);
    subscription.u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    SHOW(args_sizes_get, &size, &other);
    SHOW(args_get, pointers, buffer);
    SHOW(environ_sizes_get, &size, &other);
    SHOW(environ_get, pointers, buffer);
    SHOW(clock_res_get, __WASI_CLOCKID_REALTIME, &moment);
    SHOW(clock_time_get, __WASI_CLOCKID_REALTIME, 1, &moment);
    SHOW(random_get, buffer, 8);
    SHOW(sched_yield);
    SHOW(poll_oneoff, &subscription, &event, 1, &size);
    SHOW(fd_advise, 1, 0, 0, __WASI_ADVICE_NORMAL);
    SHOW(fd_allocate, 1, 0, 0);
    SHOW(fd_datasync, 1);
    SHOW(fd_fdstat_get, 1, &fdstat);
    SHOW(fd_fdstat_set_flags, 1, __WASI_FDFLAGS_NONBLOCK);
    SHOW(fd_fdstat_set_rights, 1, 0, 0);
    SHOW(fd_filestat_get, 1, &filestat);
    SHOW(fd_filestat_set_size, 1, 0);
    SHOW(fd_filestat_set_times, 1, 0, 0, 0);
    SHOW(fd_pread, 1, &iovec, 1, 0, &size);
    SHOW(fd_prestat_get, 3, &prestat);
    SHOW(fd_prestat_dir_name, 3, buffer, 8);
    SHOW(fd_pwrite, 1, &ciovec, 1, 0, &size);
    SHOW(fd_read, 0, &iovec, 1, &size);
    SHOW(fd_readdir, 1, buffer, 8, 0, &size);
    SHOW(fd_seek, 1, 0, __WASI_WHENCE_SET, &offset);
    SHOW(fd_sync, 1);
    SHOW(fd_tell, 1, &offset);
    SHOW(fd_write, 1, &ciovec, 1, &size);
    SHOW(path_create_directory, 3, "a");
    SHOW(path_filestat_get, 3, 0, "a", &filestat);
    SHOW(path_filestat_set_times, 3, 0, "a", 0, 0, 0);
    SHOW(path_link, 3, 0, "a", 3, "b");
    SHOW(path_open, 3, 0, "a", 0, 0, 0, 0, &fd);
    SHOW(path_readlink, 3, "a", buffer, 8, &size);
    SHOW(path_remove_directory, 3, "a");
    SHOW(path_rename, 3, "a", 3, "b");
    SHOW(path_symlink, "a", 3, "b");
    SHOW(path_unlink_file, 3, "a");
    SHOW(sock_accept, 1, 0, &fd);
    SHOW(sock_recv, 1, &iovec, 1, 0, &size, &flags);
    SHOW(sock_send, 1, &ciovec, 1, 0, &size);
    SHOW(sock_shutdown, 1, 0);
    fflush(stdout);
    printf("fd_renumber %d\n", __wasi_fd_renumber(2, 1)); /* now that is standard error */
    SHOW(fd_close, 0);
    fflush(stdout);
    __wasi_proc_exit(9);
}
