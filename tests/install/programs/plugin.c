// A plugin that has radam in it.
#include <radam.h>

uint32_t plugin_radam_version(void) { return radam_version(); }
