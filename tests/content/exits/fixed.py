def run(jobs):
    done = []
    for job in jobs:
        if job == 3:
            raise SystemExit(4)
        done.append(job)
    return done
