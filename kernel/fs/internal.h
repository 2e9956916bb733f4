// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the files of the file layer share among themselves.
 */
#pragma once

#include <core/brlock.h>
#include <fs/fdtable.h>
#include <fs/vfs.h>

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/mount.h>
#include <linux/stat.h>

#define S_PERMISSIONS 07777u
#define SEAL_KNOWN 0x80000000u /* in inode->seals: the file can be asked for its seals */
#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u

/* The one lock of names: see vfs.h; path walks and other look-ups are its readers. */
extern struct brlock fs_lock;

/* ---- actor.c ---- */
/* All contexts, in parts, so that forks on different CPUs do not meet.  Who changes a part reads under
 * fs_lock, and so its writer sees all of them at rest. */
#define FS_CONTEXT_PARTS 16
extern struct fs_context_part {
    struct spinlock lock; /* LOCK_FS_CONTEXTS */
    struct list contexts; /* lock */
} __attribute__((aligned(BRLOCK_LINE))) fs_context_parts[FS_CONTEXT_PARTS];
void actor_kernel_init(const struct path *root);

/* ---- dentry.c ---- */
void dentry_cache_init(void);
void path_strings_init(void);
static inline uint32_t name_hash_step(uint32_t h, unsigned char c)
{
    return (h ^ c) * 0x01000193u;
}
#define NAME_HASH_INIT 0x811c9dc5u
uint32_t name_hash(const char *name, size_t length);
struct dentry *dentry_find_locked(const struct dentry *parent, const char *name, size_t length,
                                  uint32_t hash);
/* Takes a reference under fs_lock, either side; the count may be 0. */
void dentry_get_locked(struct dentry *d);
/* Removes a name whose file is gone (unlink, rmdir, replaced by rename). */
void dentry_delete(struct dentry *d);
/* Gives `d` a new place.  `space`: kmalloc'ed, length + 1 bytes, when the name does not fit inline
 * (taken over), else NULL. */
void dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t length,
                 char *space);
void dentry_exchange(struct dentry *a, struct dentry *b);
bool dentry_is_ancestor(const struct dentry *ancestor, const struct dentry *d);
bool dentry_has_children(struct dentry *d);
struct dentry *dentry_make_anonymous(struct superblock *sb, const char *name, struct inode *i);
/* Frees all of a superblock's dentries; nobody else uses it any more. */
void dentry_tree_destroy(struct dentry *root);
/* Frees unused cached names; for tests and shrinking.  Return: how many. */
size_t dentry_cache_trim(size_t keep);
size_t dentry_cache_unused(void); /* how many there are, with a few that came into use again */
size_t dentry_cache_unused_of(unsigned node); /* of those, in memory of that node; walks them all */

/* ---- inode.c ---- */
void inode_special(struct inode *i, unsigned rdev); /* operations of devices and FIFOs */
err_t inode_write_get(struct inode *i); /* one more writer; -ETXTBSY */
void inode_write_put(struct inode *i);
err_t inode_set_size(struct inode *i, uint64_t size); /* i->mutex held */
err_t inode_setattr(struct inode *i, const struct attributes *a); /* generic setattr */
void inode_remove_privileges(struct inode *i); /* a write by somebody without CAP_FSETID */
bool inode_owner_or_capable(const struct inode *i);
err_t inode_sticky(const struct inode *dir, const struct inode *victim);
int64_t fs_now(void);
extern const struct file_ops tree_dir_ops; /* directories of SB_TREE superblocks */

/* ---- mount.c ---- */
extern struct mount *mount_first; /* the root of all; constant after boot */
extern struct mount *mount_anonymous; /* of files without a name */
struct mount *mount_on_locked(const struct mount *parent, const struct dentry *d);
err_t mount_want_write(const struct mount *m); /* -EROFS */
void mount_get(struct mount *m);
void mount_put(struct mount *m);
/* A superblock of type `fs` and a detached mount of it. */
err_t mount_create(const struct filesystem *fs, const char *source, unsigned long flags,
                   const char *data, struct mount **out);
const struct filesystem *filesystem_find(const char *name);
void superblock_put(struct superblock *sb);
unsigned device_anonymous(void); /* st_dev of a new superblock */
err_t mount_root_init(void);

/* ---- path.c ---- */
/* `base` NULL: from dirfd; else from there (kernel's use). */
err_t path_lookup_from(const struct path *base, int dirfd, const char *name, unsigned flags,
                       struct path *out);
enum name_kind { NAME_PLAIN, NAME_DOT, NAME_DOTDOT, NAME_NONE };

struct link_text;
struct path_walk {
    const char *at; /* what is left of the text being read */
    struct link_text *links; /* all that were pushed, for freeing */
    struct link_text *reading; /* the one being read; NULL: the caller's string */
    unsigned link_count;
    unsigned flags; /* LOOKUP_* */
    bool trailing; /* slashes behind the last component, of any text that led here */
    bool rooted; /* LOOKUP_BENEATH, LOOKUP_IN_ROOT: `start` is the root, with references */
    struct actor *actor;
    struct path here; /* fs_lock: borrowed; after walk_parent with references */
    struct path start;
    struct path pin; /* references that keep `here` alive over a release of the lock */
    struct dentry *pin_child;
    struct fd fd; /* the directory that a descriptor named */
    /* The component just read; not terminated. */
    const char *name;
    size_t length;
    uint32_t hash;
    enum name_kind kind;
};

/* Goes as far as the directory of the last component: w->here (with references), w->name, length,
 * kind, trailing.  walk_end frees all, after an error, too. */
err_t walk_parent(struct path_walk *w, const struct path *base, int dirfd, const char *name,
                  unsigned flags);
void walk_end(struct path_walk *w);
/* As path_lookup, but an absent last component of an existing directory gives WALK_ABSENT and the
 * state of walk_parent. */
#define WALK_ABSENT 1
int walk_lookup(struct path_walk *w, const struct path *base, int dirfd, const char *name,
                unsigned flags, struct path *out);
/* Makes ready to create what `name` says: *child is negative, its directory's mutex locked.
 * -EEXIST, -EROFS, -ENOENT...  Finish with path_create_end. */
err_t path_create_begin(const struct path *base, int dirfd, const char *name, bool directory,
                        struct path *dir, struct dentry **child);
void path_create_end(struct path *dir, struct dentry *child);
/* As path_name, up to `root` (NULL: the actor's); *reached (may be NULL) says whether it was met. */
char *path_name_from(const struct path *p, const struct path *root, char *buf, size_t size,
                     bool *reached);
/* Name of `d` below its superblock's root.  ERR_PTR. */
char *dentry_name(struct dentry *d, char *buf, size_t size);
err_t path_mkdir(const struct path *base, int dirfd, const char *name, unsigned mode);
err_t path_mknod(const struct path *base, int dirfd, const char *name, unsigned mode,
                 unsigned dev);
err_t path_symlink(const struct path *base, const char *target, int dirfd, const char *name);
err_t path_link(const struct path *old, const struct path *base, int newdir, const char *new);
err_t path_unlink(const struct path *base, int dirfd, const char *name, int at_flags);
/* Opens `p` without asking whether the caller may; takes over its references, also on failure. */
err_t path_open_granted(struct path *p, unsigned flags, struct file **out);
err_t path_open(const struct path *base, int dirfd, const char *name, unsigned flags,
                unsigned mode, unsigned lookup, struct file **out);

/* ---- file.c ---- */
void file_init(void); /* mapped files' references are vm's through us */
struct file *file_alloc(void); /* ERR_PTR: -ENOMEM, -ENFILE */
extern uint64_t file_max; /* of all files, without CAP_SYS_ADMIN; atomic */
/* A place of its own for files without a name; see path_name for `name`. */
err_t path_anonymous(const char *name, unsigned mode, struct path *out);
/* An opening of `p` (references are taken) with these operations; ERR_PTR: -ENOMEM, -ENFILE. */
struct file *file_on_path(const struct path *p, const struct file_ops *ops, void *data,
                          unsigned flags);
ssize_t object_file_read(struct file *f, struct uio *u, off_t *pos);
ssize_t object_file_write(struct file *f, struct uio *u, off_t *pos);
off_t object_file_seek(struct file *f, off_t offset, int whence);
/* A position's lock when others may use the file, too. */
bool file_pos_lock(struct file *f);
void file_touch_read(struct file *f);
/* Bytes that may be written at *pos; -EFBIG (with SIGXFSZ). */
ssize_t file_limit(struct file *f, off_t pos, size_t n);

/* ---- treedir.c ---- */
bool dir_emit_dots(struct file *f, struct dir_context *ctx);
off_t dir_seek(struct file *f, off_t offset, int whence);

/* ---- others ---- */
extern const struct file_ops chrdev_default_ops, blkdev_default_ops, fifo_ops, no_device_ops;
void flock_release_file(struct file *f); /* flock(2) and OFD locks at the last close */
void flock_release_table(struct file *f, const struct fdtable *t); /* POSIX locks, at each close */
void flock_free(struct inode *i);
void epoll_file_gone(struct file *f);
err_t inode_charge(struct inode *i, uint64_t pages); /* -ENOSPC */
void inode_recharge(struct inode *i); /* after pages went away; i->mutex held */
