"""How long an alert takes from a row that is on the disk to its receiver: the real plot, and a real server of HTTP."""
import atexit, http.server, json, os, pathlib, queue, random, shutil, subprocess, threading, time, urllib.request

DEADLINE_S = 60
WINDOW = 200


class Receiver(http.server.BaseHTTPRequestHandler):
    """Puts what comes into a queue, with the time at which it was there."""

    arrived = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.arrived.put((time.perf_counter(), json.loads(body)["state"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def append(log, rows, error):
    """Returns when they are on the disk."""
    with open(log, "a") as file:
        file.write(f"x,0,{error},{error}\n" * rows)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter()


def seconds(plot, directory, rounds):
    """Of each alert, while a rule fires and resolves `rounds` times."""
    shutil.rmtree(directory, ignore_errors=True)
    pathlib.Path(directory).mkdir(parents=True)
    log = pathlib.Path(directory) / "metric_log.csv"
    log.write_text("id,y_true,y_pred,absolute_error\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = "127.0.0.1:" + subprocess.check_output(["scripts/broker", "port", "0"], text=True).strip()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    settings = ["--window", str(WINDOW), "--alert", "mae>60", "--alert-format", "json", "--alert-url", url]
    with open(pathlib.Path(directory) / "stderr", "w") as stderr:
        process = subprocess.Popen([plot, "--log-dir", directory, "--listen", page, *settings], stderr=stderr)
    atexit.register(process.kill)

    def wait_for_rows(rows):
        end = time.monotonic() + DEADLINE_S
        while counted(page) != rows:
            assert process.poll() is None and time.monotonic() < end, "plot did not get there"
            time.sleep(0.01)

    def alert(rows, error, state):
        # At any moment between two looks.
        time.sleep(random.uniform(0, 0.5))
        durable = append(log, rows, error)
        arrived, told = Receiver.arrived.get(timeout=DEADLINE_S)
        assert told == state, f"{told}, not {state}"
        return arrived - durable

    taken, rows = [], 0
    wait_for_rows(rows)
    for _ in range(rounds):
        taken.append(alert(WINDOW, 61, "firing"))
        append(log, WINDOW, 1)
        wait_for_rows(rows + 2 * WINDOW)
        # The rule resolves after as many further rows.
        taken.append(alert(100, 1, "resolved"))
        rows += 2 * WINDOW + 100
    process.terminate()
    process.wait()
    server.shutdown()
    server.server_close()
    return taken


def counted(page):
    try:
        with urllib.request.urlopen(f"http://{page}/stats.json", timeout=DEADLINE_S) as answer:
            return json.load(answer)["all"]["n"]
    except OSError:
        return None
