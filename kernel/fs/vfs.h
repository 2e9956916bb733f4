// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the nouns of the file layer and the operations that file systems implement.
 *
 * Model: an inode is a file's substance, a dentry a name for it in a directory (a tree, cached by
 * hash of parent and name, negative entries too), a mount joins a tree of dentries to a place in
 * another, a path is (mount, dentry), a file is one opening.  Regular files' bytes are the pages of
 * the inode's memory object, so read, write and mmap see the same frames.
 * Locking: inode->mutex serialises changes of a directory and writes of a file; LOCK_FS (fs_lock)
 * the dentry tree and hash, the mount tree and every process' root and current directory: a walk
 * through cached names is its reader, once, and takes no reference before its end; LOCK_INODE times, size, link
 * count.  Order of inode mutexes:
 * parents before children, rename takes the two parents by ancestry (then address) under the
 * superblock's rename mutex.
 */
#pragma once

#include <fs/actor.h>
#include <fs/uio.h>
#include <lib/list.h>
#include <lib/registry.h>
#include <sched/mutex.h>
#include <vm/object.h>

struct inode;
struct dentry;
struct file;
struct superblock;
struct poll_table;
struct textbuf;
struct statfs;
struct dir_context;

struct attributes { /* what chmod, chown, utimes, truncate change */
    unsigned valid; /* ATTR_* */
    unsigned mode;
    uid_t uid;
    gid_t gid;
    uint64_t size;
    int64_t atime, mtime; /* ns since 1970 */
};
enum { ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8, ATTR_ATIME = 16, ATTR_MTIME = 32,
       ATTR_CTIME = 64, ATTR_TOUCH = 128 /* times become now: who may write the file may do it */ };

/* All are called with the directory's mutex held, unless said otherwise; errors are errnos. */
struct inode_ops {
    /* Finds `d`'s name; sets d->inode through dentry_attach, or leaves it negative. */
    err_t (*lookup)(struct inode *dir, struct dentry *d);
    err_t (*create)(struct inode *dir, struct dentry *d, unsigned mode, unsigned rdev);
    /* A regular file without a name, link count 0.  No mutex. ERR_PTR. */
    struct inode *(*tmpfile)(struct inode *dir, unsigned mode);
    err_t (*mkdir)(struct inode *dir, struct dentry *d, unsigned mode);
    err_t (*symlink)(struct inode *dir, struct dentry *d, const char *target);
    err_t (*link)(struct inode *dir, struct dentry *d, struct inode *target);
    err_t (*unlink)(struct inode *dir, struct dentry *d);
    err_t (*rmdir)(struct inode *dir, struct dentry *d);
    err_t (*rename)(struct inode *from, struct dentry *old, struct inode *to, struct dentry *new,
                    unsigned flags); /* RENAME_NOREPLACE was handled; EXCHANGE is passed */
    /* Target of a symbolic link into buf; returns its length.  No mutex. */
    ssize_t (*readlink)(struct inode *inode, char *buf, size_t size);
    /* A link that leads straight to an object (/proc/PID/fd/N, exe, cwd): fills *out with
     * references.  No mutex. -ENOENT... */
    err_t (*follow)(struct inode *inode, struct path *out);
    err_t (*setattr)(struct inode *inode, const struct attributes *a); /* inode->mutex held */
    void (*getattr)(struct inode *inode); /* refresh fields before stat; may be NULL. No mutex. */
    /* Is the cached dentry still true?  NULL: always.  No mutex. (procfs) */
    bool (*revalidate)(struct dentry *d);
};

struct file_ops {
    /* pos is the file position or the pread offset; moved forward. Return: bytes or errno. */
    ssize_t (*read)(struct file *f, struct uio *u, off_t *pos);
    ssize_t (*write)(struct file *f, struct uio *u, off_t *pos);
    off_t (*seek)(struct file *f, off_t offset, int whence); /* NULL: -ESPIPE */
    unsigned (*poll)(struct file *f, struct poll_table *pt); /* POLL*; NULL: always ready */
    long (*ioctl)(struct file *f, unsigned cmd, unsigned long arg); /* NULL: -ENOTTY */
    /* Calls emit for each entry from f->pos on; emit returns false when the buffer is full. */
    err_t (*readdir)(struct file *f, struct dir_context *ctx);
    /* The object to map; NULL op: -ENODEV.  *object without a new reference. */
    err_t (*mmap)(struct file *f, uint64_t offset, size_t length, struct object **object);
    err_t (*open)(struct inode *inode, struct file *f); /* may replace f->ops */
    void (*flush)(struct file *f); /* at each close of a descriptor */
    void (*release)(struct file *f); /* last reference */
    err_t (*fsync)(struct file *f);
    err_t (*truncate)(struct file *f, uint64_t size);
    err_t (*fallocate)(struct file *f, int mode, uint64_t offset, uint64_t length);
    void (*set_flags)(struct file *f, unsigned flags); /* O_ASYNC and such changed */
    /* A region over the file begins (1) or ends (-1); the space's lock is held; may sleep.  NULL: nobody
     * counts them. */
    void (*mapped)(struct file *f, int change);
};

struct dir_context {
    bool (*emit)(struct dir_context *ctx, const char *name, size_t length, uint64_t ino,
                 unsigned type /* DT_* */);
    off_t pos; /* of the next entry; readdir keeps it up */
};

struct inode {
    refcount_t refs;
    unsigned mode; /* S_IF* and permissions; lock */
    uid_t uid; /* lock */
    gid_t gid; /* lock */
    uint32_t nlink; /* lock */
    uint64_t ino; /* constant */
    unsigned rdev; /* constant; new_encode_dev form: see device.h */
    int64_t atime, mtime, ctime; /* ns since 1970; lock */
    struct spinlock lock; /* LOCK_INODE */
    struct mutex mutex;
    struct object object; /* bytes of a regular file; object.size is the file's size */
    const struct inode_ops *ops;
    const struct file_ops *fops;
    struct superblock *sb;
    void *data; /* the file system's or driver's */
    struct flock_state *flocks; /* advisory locks; lock */
    uint32_t writers; /* files opened for writing; lock */
    uint32_t deny_write; /* programs being executed; lock */
    uint64_t charged; /* pages that are charged to the superblock; atomic */
    uint32_t seals; /* F_SEAL_* of a memfd; mutex */
    bool linkable; /* has had no name yet and may get one (O_TMPFILE); its own mutex */
};

#define DNAME_INLINE 32
struct dentry {
    refcount_t refs;
    uint32_t hash; /* of the name; constant while hashed */
    uint16_t length;
    uint16_t flags; /* DENTRY_*; LOCK_FS */
    const char *name; /* LOCK_FS for writers */
    char inline_name[DNAME_INLINE];
    struct inode *inode; /* NULL: negative; with a reference; LOCK_FS for writers */
    struct dentry *parent; /* with a reference; itself at a root */
    struct superblock *sb;
    struct dentry *hash_next;
    struct list children, sibling; /* LOCK_FS */
    struct list lru; /* LOCK_FS */
    uint32_t mounts; /* how many mounts stand on it; LOCK_FS */
    uint64_t cookie; /* position in its directory for readdir, > 1; LOCK_FS */
    uint64_t next_cookie; /* its next child gets one less; LOCK_FS */
};
enum {
    DENTRY_HASHED = 1u << 0,
    DENTRY_DELETED = 1u << 1, /* its file or directory was removed */
    DENTRY_VOLATILE = 1u << 2, /* ask inode_ops.revalidate at each look-up; not kept when unused */
    DENTRY_USED = 1u << 3, /* referenced again while on the LRU list; set by readers, atomically */
};

struct superblock {
    const struct filesystem *type;
    refcount_t refs;
    unsigned dev; /* st_dev */
    unsigned long flags; /* MS_RDONLY ...; LOCK_FS */
    unsigned kind; /* SB_*; constant */
    const struct pager *pager; /* of its inodes' objects; may be NULL; constant */
    struct dentry *root;
    struct mutex rename_mutex;
    uint64_t next_ino; /* atomic */
    void *data;
    uint64_t pages_max, pages_used; /* tmpfs size=; atomic */
    uint64_t inodes_max, inodes_used; /* atomic; a maximum of 0: none */
    uint32_t writers; /* files open for writing; atomic */
    struct superblock *next; /* of those that are kept once (filesystem.single); mount mutex */
};
enum {
    SB_TREE = 1u << 0, /* the dentries are the truth (tmpfs): a name that is not cached is absent */
};

struct filesystem {
    const char *name;
    bool nodev; /* needs no device */
    bool single; /* all mounts show the same superblock */
    unsigned long magic;
    /* data: mount options or NULL. 0, or an errno (EINVAL for an unknown option). */
    err_t (*mount)(const struct filesystem *fs, struct superblock *sb, const char *source,
                   const char *data);
    err_t (*remount)(struct superblock *sb, const char *data); /* NULL: no options */
    void (*unmount)(struct superblock *sb);
    void (*statfs)(struct superblock *sb, struct statfs *st); /* <asm/statfs.h> */
    void (*evict)(struct inode *inode); /* last reference of an inode is gone */
    void (*show_options)(struct superblock *sb, struct textbuf *out);
};
REGISTRY_DECLARE(filesystem, const struct filesystem);

struct mount {
    refcount_t refs;
    struct superblock *sb;
    struct dentry *root; /* of the tree that is mounted (a bind mount's may lie inside) */
    struct mount *parent; /* LOCK_FS; NULL: the first or detached */
    struct dentry *mountpoint; /* LOCK_FS */
    unsigned long flags; /* MS_RDONLY, NOSUID, NODEV, NOEXEC, NOATIME; LOCK_FS */
    unsigned id;
    char *source;
    bool expiring; /* marked by MNT_EXPIRE and not used since; atomic */
    struct list link; /* of all mounts, in order of mounting; LOCK_FS */
    struct mount *hash_next;
};

struct file {
    refcount_t refs;
    unsigned flags; /* O_*: status flags under inode... lock; access mode constant */
    unsigned fmode; /* FMODE_*; constant */
    off_t pos; /* pos_mutex when shared */
    struct mutex pos_mutex;
    struct spinlock lock; /* LOCK_PIPE: flags, owner, epolls */
    const struct file_ops *ops;
    struct path path; /* with references; dentry NULL never */
    struct inode *inode;
    const struct cred *cred; /* of the opener */
    void *data;
    pid_t owner; /* F_SETOWN; lock */
    int owner_signal;
    struct list epolls; /* epoll items that watch it; lock */
    bool epolled; /* an epoll set had it once; written with lock, read when the file goes */
};
enum { FMODE_READ = 1, FMODE_WRITE = 2, FMODE_PATH = 4, FMODE_STREAM = 8 /* no position */,
       FMODE_EXEC = 16, FMODE_SHARED_POS = 32 /* position is locked when the file is shared */,
       FMODE_WRITER = 64 /* counted in inode->writers */, FMODE_PREAD = 128 /* has offsets */ };

/* ---- inodes and dentries: for file systems ------------------------------------------------- */

/* A new inode (refs 1) with mode, ids of the running actor (setgid directories: `dir`'s group). */
struct inode *__must_check inode_create(struct superblock *sb, const struct inode *dir,
                                        unsigned mode);
void inode_get(struct inode *i);
void inode_put(struct inode *i);
void inode_touch(struct inode *i, unsigned which /* ATTR_ATIME|MTIME|CTIME */);
/* Makes a negative dentry positive; takes over the reference to `i`. */
void dentry_attach(struct dentry *d, struct inode *i);
struct dentry *__must_check dentry_make_root(struct superblock *sb, struct inode *i);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
/* Child `name` of `parent` in the cache or by lookup; with a reference.  Takes parent's mutex
 * on a miss.  ERR_PTR. */
struct dentry *__must_check dentry_lookup(struct dentry *parent, const char *name, size_t length);
/* As dentry_lookup, with parent's mutex held; a name that is absent gives a negative dentry. */
struct dentry *__must_check dentry_lookup_locked(struct dentry *parent, const char *name,
                                                 size_t length);
void dentry_drop(struct dentry *d); /* forget the name: next look-up asks the file system */

/* ---- paths --------------------------------------------------------------------------------- */

enum {
    LOOKUP_FOLLOW = 1, /* a symbolic link at the end */
    LOOKUP_DIRECTORY = 2, /* must be one */
    LOOKUP_EMPTY = 4, /* AT_EMPTY_PATH */
    LOOKUP_PARENT = 8, /* stop at the last component: see path_parent */
    LOOKUP_NO_SYMLINKS = 16, LOOKUP_BENEATH = 32, LOOKUP_IN_ROOT = 64, LOOKUP_NO_XDEV = 128,
    LOOKUP_NO_MAGICLINKS = 256, /* openat2 */
};
#define PATH_BYTES 4096
#define SYMLINKS_MAX 40

void path_get(const struct path *p);
void path_put(const struct path *p);
/* Looks up a kernel string from `dirfd` (AT_FDCWD or a descriptor).  Checks search permission. */
err_t __must_check path_lookup(int dirfd, const char *name, unsigned flags, struct path *out);
err_t __must_check path_lookup_user(int dirfd, const char __user *name, unsigned flags,
                                    struct path *out);
/* Directory and last component of a path, for create/unlink/rename; `last` is `size` bytes
 * (NAME_MAX + 1); *trailing says whether it ended in '/'. */
err_t __must_check path_parent(int dirfd, const char *name, unsigned flags, struct path *dir,
                               char *last, size_t size, bool *trailing);
/* Absolute name from the actor's root, built at the end of buf; "(unreachable)" as Linux.  ERR_PTR. */
char *__must_check path_name(const struct path *p, char *buf, size_t size);
/* A user string as kernel memory (to be given to path_string_free). ERR_PTR: -EFAULT,
 * -ENAMETOOLONG, -ENOENT (empty, without LOOKUP_EMPTY), -ENOMEM. */
char *__must_check path_string(const char __user *name, unsigned flags);
void path_string_free(char *s);
/* MAY_* of mode bits: 4 read, 2 write, 1 execute. 0, -EACCES, -EROFS. */
err_t inode_permission(struct inode *i, unsigned may, const struct cred *c);

/* ---- files --------------------------------------------------------------------------------- */

err_t __must_check file_open(int dirfd, const char *name, unsigned flags, unsigned mode,
                             struct file **out); /* kernel string */
/* With LOOKUP_NO_* and such of openat2. */
err_t __must_check file_open_lookup(int dirfd, const char *name, unsigned flags, unsigned mode,
                                    unsigned lookup, struct file **out);
err_t __must_check file_open_path(const struct path *p, unsigned flags, struct file **out);
/* For execve: regular, executable, not on noexec; writers denied until file_exec_done. */
err_t __must_check file_open_exec(int dirfd, const char *name, unsigned at_flags, struct file **out);
void file_allow_write(struct file *f);
/* A file without a name in the tree (pipes, sockets, eventfd, memfd): "name:[ino]". */
err_t __must_check file_create_anon(const char *name, const struct file_ops *ops, void *data,
                                    unsigned flags, struct file **out);
/* As file_ops.seek: lseek succeeds and does nothing; the file has no position all the same. */
off_t file_seek_nowhere(struct file *f, off_t offset, int whence);
void file_get(struct file *f);
void file_put(struct file *f);
uint64_t file_count(void);
/* Bytes of memory that go with the opening, about; shared ones in part. */
uint64_t file_weight(const struct file *f); /* openings that exist */
uint64_t inode_count(void);
/* Kernel buffers; at an offset that does not move the position.  May be short. */
ssize_t file_read_at(struct file *f, void *buf, size_t n, uint64_t offset);
ssize_t file_write_at(struct file *f, const void *buf, size_t n, uint64_t offset);
/* proc/ registers what to do for SIGPIPE and SIGXFSZ of the running task. */
extern void (*fs_sigpipe_hook)(void);
extern void (*fs_sigxfsz_hook)(void);
/* What read(2), write(2) do, position and RLIMIT_FSIZE included. */
ssize_t file_read(struct file *f, struct uio *u);
ssize_t file_write(struct file *f, struct uio *u);
/* Writes at the end of a regular file, as O_APPEND does; `move`: the position goes there, too. */
ssize_t file_append(struct file *f, struct uio *u, bool move);

/* The operations behind the system calls, for the kernel's own use (initramfs, devfs). */
err_t vfs_mkdir(int dirfd, const char *name, unsigned mode);
err_t vfs_mknod(int dirfd, const char *name, unsigned mode, unsigned dev);
err_t vfs_symlink(const char *target, int dirfd, const char *name);
err_t vfs_link(int olddir, const char *old, int newdir, const char *new, unsigned flags);
err_t vfs_unlink(int dirfd, const char *name, int at_flags);
err_t vfs_rename(int olddir, const char *old, int newdir, const char *new, unsigned flags);
err_t vfs_setattr(const struct path *p, const struct attributes *a);
err_t vfs_mount(const char *source, const char *dir, const char *type, unsigned long flags,
                const char *data);
err_t vfs_umount(const char *dir, int flags);
err_t vfs_truncate(const struct path *p, uint64_t size);
err_t vfs_pivot_root(const char *new_root, const char *put_old);
err_t vfs_chdir(const struct path *p); /* takes references of its own; -EACCES, -ENOTDIR */
err_t vfs_chroot(const struct path *p); /* -EPERM, -EACCES, -ENOTDIR */
/* The lists of mounts in /proc/PID/{mounts,mountinfo}, as seen from `fs` (NULL: the caller's). */
enum mount_list { MOUNT_LIST_MOUNTS, MOUNT_LIST_INFO, MOUNT_LIST_STATS };
struct fs_context;
struct change_source; /* procfs.h */
extern struct change_source mount_changes; /* mounts come, go, and are mounted otherwise */
void mounts_show(struct textbuf *out, struct fs_context *fs, enum mount_list what);
/* Fills *st from the superblock, as statfs(2). */
void vfs_statfs(const struct path *p, struct statfs *st);
/* The generic read, write, seek, mmap of files whose bytes are in inode->object. */
extern const struct file_ops object_file_ops;

/* ---- growing text, for procfs and messages ------------------------------------------------- */

struct textbuf {
    char *data; /* kmalloc'ed */
    size_t length, size;
    err_t error; /* -ENOMEM sticks */
    uintptr_t next; /* of a file that is shown in pieces: where the next one begins; 0: at the start, or no more */
};
/* A piece is long enough: who shows a file in pieces stops here, and says in `next` where. */
#define TEXT_PIECE ((size_t)3072)
__printf(2, 3) void text_printf(struct textbuf *t, const char *format, ...);
void text_append(struct textbuf *t, const char *s, size_t n);
void text_free(struct textbuf *t);
