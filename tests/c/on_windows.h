/* What the C library of Windows lacks of what the programs here use; `make windows` includes it first. */
#ifndef ON_WINDOWS_H
#define ON_WINDOWS_H

#include <stdlib.h>

#define setenv(name, value, overwrite) _putenv_s(name, value)
#define unsetenv(name) _putenv_s(name, "")
#define alarm(seconds) ((void)(seconds))

#endif
