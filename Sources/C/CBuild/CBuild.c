#include "CBuild.h"

#ifndef QNF_COMMIT
#define QNF_COMMIT ""
#endif

const char *qnf_commit(void) { return QNF_COMMIT; }
