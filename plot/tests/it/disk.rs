//! What happens to the disk, or to the process in the middle of writing, never happens to the last good picture.

use crate::process::{Directory, HEADER, Plot, picture, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const LOG: &str = "metric_log.csv";
const PNG: &str = "error_distribution.png";
const ROW: &str = "x,1,2,1\n";

fn temporary_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "tmp")).collect()
}

/// While `plot` tries again and again, there is one for a moment each time.
fn until_no_temporary_file(directory: &Path) {
    until("no temporary file is left", || temporary_files(directory).is_empty());
}

#[test]
fn a_kill_while_it_writes_leaves_a_whole_picture_and_in_the_end_nothing_else() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + ROW));
    let deadline = Instant::now() + Duration::from_secs(60);
    // Until a kill has come between the temporary file and its renaming.
    while temporary_files(&directory.0).is_empty() {
        assert!(Instant::now() < deadline, "it was never killed while it wrote");
        let plot = Plot::start(&directory, &["--size", "1920x1440"]);
        until("there is a picture", || directory.file(PNG).exists());
        directory.append(LOG, ROW);
        let soon = Instant::now() + Duration::from_secs(2);
        while temporary_files(&directory.0).is_empty() && Instant::now() < soon {}
        plot.end("KILL");
        picture(&directory.file(PNG));
    }
    let _plot = Plot::start(&directory, &[]);
    until_no_temporary_file(&directory.0);
}

#[test]
fn a_picture_that_cannot_take_its_place_leaves_nothing() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + ROW));
    fs::create_dir_all(directory.file(PNG).join("x")).unwrap();
    let plot = Plot::start(&directory, &[]);
    plot.rows(1);
    until("it says so", || directory.read("stderr").contains("the last picture stays"));
    until_no_temporary_file(&directory.0);
    until("programs see it", || plot.stats()["picture_trouble"].to_string().contains("irectory"));
    let page = || String::from_utf8(plot.ask("GET", "/").2).unwrap();
    assert!(page().contains("The picture cannot be written: "));
    assert_eq!(plot.ask("GET", "/healthz").0, 200);
    fs::remove_dir_all(directory.file(PNG)).unwrap();
    until("it draws again", || directory.file(PNG).is_file());
    until("all is well", || {
        plot.stats()["picture_trouble"].is_null() && !page().contains("cannot be written")
    });
}

/// `plot` with a small file system of its own for the pictures, in a mount namespace, where users may have one without being root.
struct SmallDisk {
    plot: Plot,
    /// As it is seen from outside.
    pictures: PathBuf,
    mounted: PathBuf,
}

impl SmallDisk {
    fn start(directory: &Directory) -> Self {
        let mounted = directory.file("pictures");
        fs::create_dir(&mounted).unwrap();
        let namespaces = ["--map-root-user", "--mount"];
        let allowed = Command::new("unshare")
            .args(namespaces)
            .args(["mount", "-t", "tmpfs", "tmpfs"])
            .arg(&mounted)
            .status();
        assert!(
            allowed.is_ok_and(|status| status.success()),
            "this test needs a mount namespace (util-linux's unshare, and leave to use it: sysctl kernel.unprivileged_userns_clone)"
        );
        let script = "mount -t tmpfs -o size=256k tmpfs \"$1\" && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", script, "sh"]).arg(&mounted);
        command
            .arg(env!("CARGO_BIN_EXE_plot"))
            .arg("--log-dir")
            .arg(&mounted)
            .arg("--log")
            .arg(directory.file(LOG));
        let plot = Plot::spawn(directory, &mut command);
        let root = PathBuf::from(format!("/proc/{}/root", plot.pid()));
        let pictures = root.join(mounted.strip_prefix("/").unwrap());
        SmallDisk { plot, pictures, mounted }
    }

    fn remount(&self, how: &str) {
        let pid = self.plot.pid().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--user", "--mount", "mount", "-o"]);
        assert!(command.arg(format!("remount,{how}")).arg(&self.mounted).status().unwrap().success());
    }
}

#[test]
fn a_full_disk_and_a_read_only_directory_leave_the_last_picture_and_the_service() {
    let directory = Directory::new();
    directory.write(LOG, &(HEADER.to_owned() + ROW));
    let disk = SmallDisk::start(&directory);
    let png = disk.pictures.join(PNG);
    until("there is a picture", || png.exists() && disk.pictures.join("error_distribution.svg").exists());
    let mut rows = 1;
    let mut goes_on_without = |reason: &str| {
        let last = fs::read(&png).unwrap();
        rows += 1;
        directory.append(LOG, ROW);
        disk.plot.rows(rows);
        until(reason, || directory.read("stderr").contains(reason));
        assert_eq!(fs::read(&png).unwrap(), last);
        until_no_temporary_file(&disk.pictures);
        assert_eq!(disk.plot.ask("GET", "/healthz").0, 200);
        assert_eq!(disk.plot.ask("GET", "/error_distribution.png").2, last);
    };
    // The PNG is new before the SVG is; only then it says so.
    let drawn_again = |times: usize, last: &[u8]| {
        until("it draws again", || directory.read("stderr").matches("can be written again").count() == times);
        assert_ne!(fs::read(&png).unwrap(), last);
    };

    let filler = disk.pictures.join("filler");
    fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    goes_on_without("No space left on device; the last picture stays");
    let last = fs::read(&png).unwrap();
    fs::remove_file(filler).unwrap();
    drawn_again(1, &last);

    disk.remount("ro");
    goes_on_without("Read-only file system; the last picture stays");
    let last = fs::read(&png).unwrap();
    disk.remount("rw");
    drawn_again(2, &last);
    picture(&png);
}
