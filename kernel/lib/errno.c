// SPDX-License-Identifier: CC0-1.0
/* Purpose: the names of errors, for people: those that the kernel's own parts return to each other. */
#include <lib/errno.h>

#define NAME(e) [e] = #e

static const char *const names[] = {
    NAME(EPERM),
    NAME(ENOENT),
    NAME(ESRCH),
    NAME(EINTR),
    NAME(EIO),
    NAME(ENXIO),
    NAME(E2BIG),
    NAME(ENOEXEC),
    NAME(EBADF),
    NAME(ECHILD),
    NAME(EAGAIN),
    NAME(ENOMEM),
    NAME(EACCES),
    NAME(EFAULT),
    NAME(ENOTBLK),
    NAME(EBUSY),
    NAME(EEXIST),
    NAME(EXDEV),
    NAME(ENODEV),
    NAME(ENOTDIR),
    NAME(EISDIR),
    NAME(EINVAL),
    NAME(ENFILE),
    NAME(EMFILE),
    NAME(ENOTTY),
    NAME(ETXTBSY),
    NAME(EFBIG),
    NAME(ENOSPC),
    NAME(ESPIPE),
    NAME(EROFS),
    NAME(EMLINK),
    NAME(EPIPE),
    NAME(EDOM),
    NAME(ERANGE),
    NAME(EDEADLK),
    NAME(ENAMETOOLONG),
    NAME(ENOLCK),
    NAME(ENOSYS),
    NAME(ENOTEMPTY),
    NAME(ELOOP),
    NAME(ENODATA),
    NAME(ETIME),
    NAME(EPROTO),
    NAME(EBADMSG),
    NAME(EOVERFLOW),
    NAME(EILSEQ),
    NAME(EOPNOTSUPP),
    NAME(ETIMEDOUT),
    NAME(EALREADY),
    NAME(EINPROGRESS),
    NAME(ENOBUFS),
    NAME(ENOMEDIUM),
    NAME(ECANCELED),
};

const char *errno_name(err_t err)
{
    size_t n = err < 0 ? (size_t)-(long)err : 0;

    return n < ARRAY_SIZE(names) && names[n] ? names[n] : "error";
}
