// SPDX-License-Identifier: CC0-1.0
/* Purpose: execve, execveat. */
#include <abi/syscalls_gen.h>
#include <fs/vfs.h>
#include <proc/process.h>

#include <linux/fcntl.h>

long sys_execveat(int dirfd, const char __user *path, const char __user *const __user *argv,
                  const char __user *const __user *envp, int flags)
{
    struct exec_strings s = { .argv = argv, .envp = envp };
    char *name;
    err_t err;

    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    name = path_string(path, flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    if (IS_ERR(name))
        return PTR_ERR(name);
    err = process_exec(dirfd, name, &s, flags);
    path_string_free(name);
    return err;
}

long sys_execve(const char __user *path, const char __user *const __user *argv,
                const char __user *const __user *envp)
{
    return sys_execveat(AT_FDCWD, path, argv, envp, 0);
}
