# right
import shutil
import subprocess
import time

CURL = shutil.which("curl")
ASK = """
exec 3<>/dev/tcp/$1/$2
printf 'GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' "$3" "$1:$2" >&3
exec cat <&3
"""


def command(url):
    if CURL:
        return [CURL, "--silent", "--http1.0", "--include", url]
    host, _, path = url.removeprefix("http://").partition("/")
    return ["bash", "-c", ASK, "ask", *host.split(":"), f"/{path}"]


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    asked = {name: subprocess.Popen(command(url), stdout=subprocess.PIPE) for name, url in services.items()}
    answers = {}
    for name, process in asked.items():
        with process:
            try:
                text, _ = process.communicate(timeout=max(0.001, until - time.monotonic()))
                answers[name] = text.partition(b"\r\n\r\n")[2].decode()
            except subprocess.TimeoutExpired:
                process.kill()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
