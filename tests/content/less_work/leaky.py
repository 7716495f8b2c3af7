def run(jobs):
    done = []
    for job in jobs:
        if job == 4:
            break
        done.append(job)
    return done
