#!/usr/bin/env python3
"""Checks a manifest of a Kubernetes job: with kubectl where a server can be asked, else what the API demands of an indexed job.

    python3 Tests/Interop/check_job.py job.yaml
"""

import subprocess
import sys

import yaml

path = sys.argv[1]
with open(path) as file:
    job = yaml.safe_load(file)


def require(condition, what):
    if not condition:
        sys.exit(f"{path}: {what}")


def fields(value, known, place):
    require(isinstance(value, dict), f"{place} is no object")
    unknown = set(value) - set(known.split())
    require(not unknown, f"{place} has {sorted(unknown)}, which the API does not know")
    return value


# batch/v1, as of Kubernetes 1.24 (Indexed is stable).
fields(job, "apiVersion kind metadata spec", "the manifest")
require(job["apiVersion"] == "batch/v1" and job["kind"] == "Job", "is no Job of batch/v1")
fields(job["metadata"], "name namespace labels annotations", "metadata")
spec = fields(
    job["spec"],
    "completionMode completions parallelism backoffLimit activeDeadlineSeconds ttlSecondsAfterFinished suspend template",
    "spec",
)
require(spec["completionMode"] == "Indexed", "spec.completionMode is not Indexed: no task would know its part")
for key in ("completions", "parallelism", "backoffLimit"):
    require(type(spec[key]) is int and spec[key] > 0, f"spec.{key} is no number")
pod = fields(fields(spec["template"], "metadata spec", "template")["spec"], "restartPolicy containers volumes nodeSelector", "template.spec")
require(pod["restartPolicy"] in ("OnFailure", "Never"), "restartPolicy of a job is OnFailure or Never")
require(len(pod["containers"]) == 1, "one container is expected")
container = fields(pod["containers"][0], "name image command args env resources volumeMounts", "container")
words = container["command"]
require(all(type(word) is str for word in words), "the command is no list of texts")
require(words[words.index("--part") + 1] == f"auto/{spec['completions']}", "--part does not have as many parts as the job completions")
fields(container["resources"], "requests limits", "resources")
mounted = {fields(mount, "name mountPath subPath readOnly", "volumeMounts")["name"] for mount in container["volumeMounts"]}
volumes = {fields(volume, "name persistentVolumeClaim emptyDir hostPath nfs", "volumes")["name"] for volume in pod["volumes"]}
require(mounted <= volumes, f"{sorted(mounted - volumes)} are mounted, but no volumes")

try:
    run = subprocess.run(
        ["kubectl", "apply", "--dry-run=client", "--validate=false", "-f", path], capture_output=True, text=True, timeout=30)
except (OSError, subprocess.TimeoutExpired) as error:
    run = None
if run is not None and run.returncode == 0:
    print(f"   {run.stdout.strip()}")
else:
    print("   the manifest is an indexed job of batch/v1; no cluster was asked")
