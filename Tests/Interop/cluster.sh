#!/bin/sh
# The scripts of samples/cluster under real schedulers: a Slurm of one node on loopback, GNU parallel, and what there is to check the
# manifest of Kubernetes with. Called by `make cluster-test`.
#   sh Tests/Interop/cluster.sh BIN      BIN: folder of the tools
set -eu
bin=$(cd "$1" && pwd)
repository=$(cd "$(dirname "$0")/../.." && pwd)
samples=$repository/samples
work=$(mktemp -d)
export QCONVERT="$bin/qconvert"

pids=""
finish() {
    status=$?
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    for pid in $pids; do wait "$pid" 2>/dev/null || true; done
    if [ $status -ne 0 ]; then tail -n 20 "$work"/*.log 2>/dev/null || true; fi
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() { echo "cluster-test: $1" >&2; exit 1; }

# Waits until a command succeeds, for so many seconds.
await() {
    seconds=$1
    shift
    while ! "$@" >/dev/null 2>&1; do
        [ "$seconds" -gt 0 ] || return 1
        seconds=$((seconds - 1))
        sleep 1
    done
}

"$QCONVERT" to-nf4 "$samples/llama-hf" -o "$work/one.qnf" --quiet >/dev/null

echo "1. Slurm"
dd if=/dev/urandom of="$work/munge.key" bs=1024 count=1 2>/dev/null
chmod 400 "$work/munge.key"
chmod 755 "$work"
munged --force --foreground --key-file="$work/munge.key" --socket="$work/munge.socket" --pid-file="$work/munged.pid" \
    --seed-file="$work/munge.seed" --log-file="$work/munged.log" >"$work/munged-errors.log" 2>&1 &
pids="$pids $!"
host=$(hostname -s)
cat >"$work/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=36817
SlurmdPort=36818
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=2048 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=10 State=UP
CONF
printf 'CgroupAutomount=no\nConstrainCores=no\n' >"$work/cgroup.conf"
mkdir "$work/state" "$work/spool" "$work/jobs"
export SLURM_CONF="$work/slurm.conf"
await 20 test -S "$work/munge.socket" || fail "munged does not start"
slurmctld -D -f "$work/slurm.conf" >"$work/slurmctld.log" 2>&1 &
pids="$pids $!"
slurmd -D -f "$work/slurm.conf" -N "$host" >"$work/slurmd.log" 2>&1 &
pids="$pids $!"
idle() { sinfo -h -o %t | grep -q '^idle'; }
await 60 idle || fail "the node does not become idle"

cd "$work/jobs"
done_or_gone() { [ -z "$(squeue -h -j "$1" 2>/dev/null)" ]; }
# 6 parts; the first is killed while it runs, and requeued.
cat >"$work/slow.sh" <<'SLOW'
#!/bin/sh
#SBATCH --job-name=qconvert --output=qconvert-%a.log --requeue
[ "$SLURM_ARRAY_TASK_ID" != 1 ] || [ -n "${SLURM_RESTART_COUNT:-}" ] || sleep 300
SLOW
sed -n '/^exec/p' "$samples/cluster/slurm.sh" >>"$work/slow.sh"
array=$(sbatch --parsable --array=1-6 "$work/slow.sh" "$samples/llama-hf" "$work/jobs/model.qnf")
running() { squeue -h -j "${array}_1" -t R -o %i | grep -q .; }
await 60 running || fail "the first task does not start"
scontrol requeue "${array}_1"
# Slurm keeps a requeued task back for a while.
release() { scontrol update "JobId=${array}_1" StartTime=now 2>/dev/null || true; done_or_gone "$array"; }
await 240 release || fail "the array does not end: $(squeue -h)"
rm "$work/jobs/model.qnf.part-4-of-6"
if "$QCONVERT" join "$work"/jobs/model.qnf.part-* -o "$work/jobs/model.qnf" 2>"$work/join.log"; then fail "a part was missing"; fi
missing=$(sed -n "s/.* array of \([0-9,-]*\) .*/\1/p" "$work/join.log")
[ "$missing" = 4 ] || fail "the range of what is missing is '$missing'"
rest=$(sbatch --parsable "--array=$missing" --export=ALL,PARTS=6 "$samples/cluster/slurm.sh" "$samples/llama-hf" "$work/jobs/model.qnf")
join=$(sbatch --parsable "--dependency=afterok:$rest" "$samples/cluster/join.sh" "$work/jobs/model.qnf")
await 120 done_or_gone "$join" || fail "the join does not end: $(squeue -h)"
cmp "$work/one.qnf" "$work/jobs/model.qnf"
echo "   6 tasks, one killed and requeued, one made again: the bytes of one run"

echo "2. GNU parallel"
sh "$samples/cluster/parallel.sh" "$samples/llama-hf" "$work/parallel.qnf" 5 >/dev/null 2>"$work/parallel.log"
cmp "$work/one.qnf" "$work/parallel.qnf"
echo "   5 parts: the bytes of one run"

echo "3. Kubernetes"
"${PYTHON:-python3}" "$repository/Tests/Interop/check_job.py" "$samples/cluster/job.yaml"
command=$(sed -n 's/.*command: \[\(.*\)\].*/\1/p' "$samples/cluster/job.yaml" | tr -d ',')
for index in $(seq 0 63); do
    line=$(echo "$command" | sed "s#^qconvert#$QCONVERT#; s#/models/source#$samples/llama-hf#; s#/models/model.qnf#$work/k8s.qnf#")
    JOB_COMPLETION_INDEX=$index $line --quiet >/dev/null
done
"$QCONVERT" join "$work"/k8s.qnf.part-*-of-64 -o "$work/k8s.qnf" --quiet >/dev/null
cmp "$work/one.qnf" "$work/k8s.qnf"
echo "   its command, run for each of 64 indices: the bytes of one run"
