// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the C library's <limits.h> that gcc's own includes next; gcc's then defines every limit of
 * the language by itself, so there is nothing to say here.
 */
#pragma once
