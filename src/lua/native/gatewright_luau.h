/* Forced into every file of Luau's build by .cargo/config.toml: its string hash gives way to ours, which is seeded
 * (src/lua/hash.rs). Luau's own is not, so that colliding strings of clients would pile up in a VM's string table. */
#pragma once
#ifdef __cplusplus
#include <stddef.h>
__attribute__((weak)) unsigned int luaS_hash(const char* str, size_t len);
#endif
