// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the interfaces that drivers publish.
 */
#pragma once

#include <core/irq.h>
#include <sched/clock.h>
#include <svc/console.h>
#include <svc/power.h>
#include <svc/service.h>

SERVICE_TYPE(irqchip, struct irqchip);
SERVICE_TYPE(clock_source, struct clock_source);
SERVICE_TYPE(clock_event, struct clock_event);
