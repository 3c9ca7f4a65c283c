/// What a build is of.
#ifndef QNF_CBUILD_H
#define QNF_CBUILD_H

/// The commit, as `make build` passes it in QNF_COMMIT; empty where nobody did.
const char *qnf_commit(void);

#endif
