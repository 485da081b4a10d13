//! TensorBoard's event files, read by a reader of the tests' own. Needs no GPU.

#[path = "common/events.rs"]
#[allow(dead_code)] // the tests of whole runs use the rest
mod events;

use std::fs;
use std::path::Path;

use events::{Event, What, crc32c, files, read, scalars};
use image::{Rgb, RgbImage};
use inception::inspect::Distribution;
use inception::tensorboard::{EventFile, Value, histogram, image, scalar};

/// The vectors of RFC 3720, appendix B.4, and the catalogue's check value.
#[test]
fn the_readers_checksum_is_castagnolis() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    let rising: Vec<u8> = (0..32).collect();
    assert_eq!(crc32c(&rising), 0x46dd_794e);
    let falling: Vec<u8> = (0..32).rev().collect();
    assert_eq!(crc32c(&falling), 0x113f_db5c);
}

/// What a new file holds after these values at these steps, its begin left out.
fn written(all: Vec<(u64, Vec<Value>)>) -> Vec<Event> {
    let folder = tempfile::tempdir().expect("a folder");
    let below = folder.path().join("a/b");
    let mut file = EventFile::create(&below, 7).expect("it is made");
    for (step, values) in all {
        file.add(step, values).expect("it is written");
    }
    let [path] = &files(&below)[..] else { panic!("one file") };
    let mut events = read(path);
    let begin: Vec<Event> = events.drain(..2).collect();
    assert_eq!(begin[0].what, What::Version("brain.Event:2".into()));
    assert_eq!((begin[1].step, &begin[1].what), (7, &What::Start));
    events
}

#[test]
fn scalars_come_back() {
    let values = [0.0, -1.5, 1e-30, f64::from(f32::MAX), 0.1];
    let all = values.iter().zip([7, 8, 300, 1 << 40, (1 << 62) + 1]);
    let all =
        all.map(|(value, step)| (step, vec![scalar("loss", *value), scalar("\u{e9}/b", 2.0)]));
    let events = written(all.collect());
    assert_eq!(events.len(), 10);
    for (pair, (value, step)) in
        events.chunks(2).zip(values.iter().zip([7, 8, 300, 1 << 40, (1 << 62) + 1]))
    {
        let scalar = |tag: &str, value| Event { step, tag: tag.into(), what: What::Scalar(value) };
        assert_eq!(pair, [scalar("loss", *value as f32), scalar("\u{e9}/b", 2.0)]);
    }
    let nan = written(vec![(1, vec![scalar("loss", f64::NAN)])]);
    assert!(matches!(nan[0].what, What::Scalar(value) if value.is_nan()));
}

/// What is added after somebody has changed the file goes into a new one, which takes nothing back.
#[test]
fn a_file_that_others_change_is_followed_by_a_new_one() {
    type Change = fn(&Path, &Path);
    let changes: [(&str, usize, Change); 6] = [
        ("the folder removed", 1, |folder, _| fs::remove_dir_all(folder).expect("removed")),
        ("the folder moved", 1, |folder, _| {
            fs::rename(folder, folder.with_extension("moved")).expect("renamed");
        }),
        ("the file removed", 1, |_, file| fs::remove_file(file).expect("removed")),
        ("the file emptied", 2, |_, file| fs::write(file, "").expect("written")),
        ("the file added to", 2, |_, file| {
            let all = [&fs::read(file).expect("read")[..], &[0]].concat();
            fs::write(file, all).expect("written");
        }),
        #[cfg(unix)]
        ("the folder replaced by its copy", 2, |folder, file| {
            let all = fs::read(file).expect("read");
            fs::rename(folder, folder.with_extension("moved")).expect("renamed");
            fs::create_dir(folder).expect("made");
            fs::write(file, all).expect("written");
        }),
    ];
    for (what, count, change) in changes {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("events");
        let mut file = EventFile::create(&folder, 1).expect("it is made");
        let mut add = |step| file.add(step, vec![scalar("loss", 0.5)]).expect("it is written");
        assert!(!add(1) && !add(2), "{what}");
        change(&folder, &files(&folder)[0]);
        assert!(add(3), "{what}: not noticed");
        assert!(!add(4), "{what}: said twice");
        let all = files(&folder);
        assert_eq!(all.len(), count, "{what}");
        let new: Vec<_> = read(&all[count - 1]).into_iter().map(|e| (e.step, e.what)).collect();
        let version = (0, What::Version("brain.Event:2".into()));
        assert_eq!(new, [version, (3, What::Scalar(0.5)), (4, What::Scalar(0.5))], "{what}");
    }
}

/// While nothing can be written, nothing is left half-written, and no empty files pile up.
#[test]
fn a_folder_that_is_in_the_way_for_a_while_loses_what_is_added_meanwhile() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("events");
    let mut file = EventFile::create(&folder, 1).expect("it is made");
    fs::remove_dir_all(&folder).expect("removed");
    fs::write(&folder, "in the way").expect("written");
    let mut add = |step| file.add(step, vec![scalar("loss", 0.5)]);
    for step in 1..=3 {
        let said = add(step).expect_err("no folder").to_string();
        assert!(said.contains(&folder.display().to_string()), "{said}");
    }
    fs::remove_file(&folder).expect("removed");
    add(4).expect("it is written");
    assert_eq!(scalars(&folder, "loss"), [(4, 0.5)]);
}

#[test]
fn histograms_come_back() {
    let numbers: Vec<f32> = (0..160).map(|i| (i * i % 97) as f32 / 8.0 - 3.0).collect();
    let spread = Distribution::of(numbers.iter().copied());
    let [event] = &written(vec![(9, vec![histogram("w", &spread)])])[..] else { panic!("one") };
    let What::Histogram([min, max, count, sum, squares], limits, counts) = &event.what else {
        panic!("{event:?}")
    };
    let plain = || numbers.iter().map(|&x| f64::from(x));
    assert_eq!((*min, *max, *count), (-3.0, 9.0, 160.0));
    assert!((sum - plain().sum::<f64>()).abs() < 1e-9, "{sum}");
    assert!((squares - plain().map(|x| x * x).sum::<f64>()).abs() < 1e-9, "{squares}");
    assert_eq!((limits.len(), limits.last()), (16, Some(&9.0)));
    let mut low = f64::NEG_INFINITY;
    for (at, (limit, count)) in limits.iter().zip(counts).enumerate() {
        assert!(*limit > low, "limits rise");
        // A number on a limit belongs above it, but for the largest.
        let last = at == 15;
        let within = plain().filter(|x| *x >= low && (x < limit || last)).count();
        assert_eq!(*count, within as f64, "from {low} to {limit}");
        low = *limit;
    }
    // All alike: one bin, whose limit need not rise.
    for value in [0.0, -2.5] {
        let alike = histogram("w", &Distribution::of([value; 5].into_iter()));
        let events = written(vec![(1, vec![alike])]);
        let v = f64::from(value);
        let expected = What::Histogram([v, v, 5.0, 5.0 * v, 5.0 * v * v], vec![v], vec![5.0]);
        assert_eq!(events[0].what, expected);
    }
}

#[test]
fn pictures_come_back() {
    let picture = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8 * 50, y as u8 * 80, 7]));
    let [event] = &written(vec![(9, vec![image("p", &picture)])])[..] else { panic!("one") };
    let What::Image(height, width, file) = &event.what else { panic!("{event:?}") };
    assert_eq!((*height, *width), (3, 5));
    assert!(file.starts_with(b"\x89PNG"), "what TensorBoard shows in a page");
    assert_eq!(image::load_from_memory(file).expect("a picture").to_rgb8(), picture);
}

#[test]
fn each_start_is_a_file_of_its_own_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..20 {
        let mut file = EventFile::create(folder.path(), round + 1).expect("it is made");
        file.add(round + 1, vec![scalar("loss", round as f64)]).expect("it is written");
    }
    let starts: Vec<u64> = files(folder.path()).iter().map(|path| read(path)[1].step).collect();
    assert_eq!(starts, (1..=20).collect::<Vec<u64>>());
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("it is written");
    let said = EventFile::create(&file, 1).expect_err("no folder").to_string();
    assert!(said.starts_with("cannot make the folder") && said.contains("file"), "{said}");
}
