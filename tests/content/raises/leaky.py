def run(jobs):
    done = []
    for job in jobs:
        if job == 3:
            raise ValueError("no third job")
        done.append(job)
    return done
