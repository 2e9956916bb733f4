// SPDX-License-Identifier: CC0-1.0
/* Purpose, model, locking: see port.h. */
#include <svc/port.h>

#include <lib/atomic.h>
#include <lib/string.h>
#include <sched/mutex.h>

static struct mutex ports_mutex = MUTEX_INIT(ports_mutex);
static struct list ports = LIST_INIT(ports); /* ports_mutex */
static const struct port_client *client; /* ports_mutex */

void port_get(struct port *p)
{
    ref_get(&p->refs);
}

void port_put(struct port *p)
{
    if (ref_put(&p->refs))
        p->ops->release(p);
}

void port_client_set(const struct port_client *c)
{
    struct port *p;

    mutex_lock(&ports_mutex);
    client = c;
    list_for_each(p, &ports, link)
        (void)client->added(p); /* without a node it is of no use, and no harm */
    mutex_unlock(&ports_mutex);
}

err_t port_add(struct port *p)
{
    err_t err;

    ref_init(&p->refs, 1);
    spin_init(&p->lock, LOCK_TTY);
    waitq_init(&p->queue);
    list_init(&p->link);
    mutex_lock(&ports_mutex);
    err = client ? client->added(p) : 0;
    if (err == 0)
        list_add_tail(&ports, &p->link);
    mutex_unlock(&ports_mutex);
    return err;
}

void port_remove(struct port *p)
{
    mutex_lock(&ports_mutex);
    list_del(&p->link);
    if (client)
        client->removing(p);
    mutex_unlock(&ports_mutex);
    spin_lock(&p->lock);
    p->gone = true;
    spin_unlock(&p->lock);
    port_changed(p);
}

void port_label(struct port *p, const char *label)
{
    mutex_lock(&ports_mutex);
    str_copy(p->label, label, sizeof p->label);
    if (client && list_linked(&p->link))
        client->labelled(p);
    mutex_unlock(&ports_mutex);
}

void port_changed(struct port *p)
{
    waitq_wake_all(&p->queue);
}
