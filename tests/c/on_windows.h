/* What the C library of Windows lacks of what the programs here use; `make windows` includes it first. */
#ifndef ON_WINDOWS_H
#define ON_WINDOWS_H

#define alarm(seconds) ((void)(seconds))

#endif
