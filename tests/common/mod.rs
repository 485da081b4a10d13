//! What the tests of whole runs share: a device, the program, digits for it, numbers from a seed.
#![allow(dead_code)] // each test program uses a part

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use inception::gpu::{Gpu, GpuOptions};

/// A device, or `None` where there is no adapter and the environment says that this is well.
///
/// # Panics
/// With the reason when no adapter opens.
pub fn gpu() -> Option<Gpu> {
    match pollster::block_on(Gpu::open(&GpuOptions::default())) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            let allowed = std::env::var("INCEPTION_TESTS_WITHOUT_GPU").is_ok_and(|v| v == "1");
            assert!(allowed, "{error}");
            eprintln!("\n!!!!! SKIPPED, NOT TESTED: {error} !!!!!\n");
            None
        }
    }
}

/// Whether the program will find an adapter; as [`gpu`] otherwise.
pub fn has_adapter() -> bool {
    gpu().is_some()
}

/// A file of this repository.
pub fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The program, not yet started, with nothing in its environment that changes what it says, and with
/// kernels by the fixed rule: the user's cache is left alone, and equal runs are equal.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inception"));
    command.args(arguments.first().map(|_| "--no-tune")).args(arguments);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUST_LOG");
    command
}

/// What a finished program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

impl Said {
    /// The sentence behind `error: `.
    #[track_caller]
    pub fn error(&self) -> &str {
        let (_, error) = self.stderr.split_once("error: ").unwrap_or_else(|| panic!("{self:?}"));
        error.trim_end()
    }
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Said {
    program(arguments).output().expect("the program starts").into()
}

/// Runs the program, which must succeed.
#[track_caller]
pub fn succeed(arguments: &[&str]) -> Said {
    let said = run(arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.stderr);
    said
}

/// The first `count` rows of the bundled digits, as CSV text.
pub fn digits(file: &str, count: usize) -> String {
    let path = repository("assets/mnist").join(file);
    let packed = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = flate2::read::GzDecoder::new(packed);
    let mut text = Vec::new();
    let mut chunk = [0; 1 << 16];
    let lines = |text: &[u8]| text.iter().filter(|&&byte| byte == b'\n').count();
    while lines(&text) < count {
        match reader.read(&mut chunk).expect("gzip") {
            0 => panic!("fewer than {count} rows in {}", path.display()),
            read => text.extend_from_slice(&chunk[..read]),
        }
    }
    let text = String::from_utf8(text).expect("ASCII");
    text.lines().take(count).flat_map(|line| [line, "\n"]).collect()
}

/// Labels and pixels of CSV text.
pub fn parse(csv: &str) -> (Vec<u8>, Vec<u8>) {
    let (mut labels, mut pixels) = (Vec::new(), Vec::new());
    for line in csv.lines() {
        let mut values = line.split(',').map(|value| value.parse::<u8>().expect("0 to 255"));
        labels.push(values.next().expect("a label"));
        pixels.extend(values);
    }
    (labels, pixels)
}

/// A folder with `train.csv` and `test.csv` of a few bundled digits, and room for a run.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn new(train_rows: usize, test_rows: usize) -> Place {
        let place = Place { folder: tempfile::tempdir().expect("a temporary folder") };
        place.write("train.csv", digits("mnist_train.csv.gz", train_rows));
        place.write("test.csv", digits("mnist_test.csv.gz", test_rows));
        place
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path of UTF-8").to_string()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap_or_else(|e| panic!("{path}: {e}"));
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The bytes of the two files of a run's last checkpoint.
    pub fn checkpoint(&self, out: &str) -> [Vec<u8>; 2] {
        let folder = self.path(&format!("{out}/checkpoints"));
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder}: {e}"));
        let last =
            entries.map(|entry| entry.expect("an entry").path()).max().expect("a checkpoint");
        ["model", "optimizer"].map(|name| {
            let path = last.join(format!("{name}.safetensors"));
            std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        })
    }

    /// Arguments of `train` on the folder's digits into `out`, then `more`, whose values win.
    pub fn train(&self, out: &str, more: &[&str]) -> Vec<String> {
        let paths = [("--train", "train.csv"), ("--test", "test.csv"), ("--out", out)];
        let mut all = vec!["train".to_string()];
        for (flag, name) in paths.into_iter().filter(|(flag, _)| !more.contains(flag)) {
            all.extend([flag.to_string(), self.path(name)]);
        }
        all.extend(more.iter().map(ToString::to_string));
        all
    }
}

/// [`run`] for arguments that are owned.
pub fn run_all(arguments: &[String]) -> Said {
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// [`succeed`] for arguments that are owned.
#[track_caller]
pub fn succeed_all(arguments: &[String]) -> Said {
    succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Numbers from a seed, the same on every machine: SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In -1..1, never 0.
    pub fn float(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 + 0.5) / 8_388_608.0 - 1.0
    }
}

/// Makes the checksum of one of our safetensors files right: CRC-32 with zeros in its own place.
pub fn sign(file: &mut [u8]) {
    let entry = br#""checksum":""#;
    let at = file.windows(entry.len()).position(|part| part == entry).expect("a checksum");
    let at = at + entry.len();
    file[at..at + 8].copy_from_slice(b"00000000");
    let mut crc = flate2::Crc::new();
    crc.update(file);
    file[at..at + 8].copy_from_slice(format!("{:08x}", crc.sum()).as_bytes());
}
