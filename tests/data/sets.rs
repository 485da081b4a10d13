//! CIFAR-10's files, and folders of pictures by class: good ones, odd ones and bad ones.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage, Rgba, RgbaImage};
use inception::data::{DataError, Dataset, Digits, Invert, OnBadImage, Part, Wanted};
use tempfile::TempDir;

use crate::assert_fails;

fn wanted(image: [usize; 3]) -> Wanted {
    Wanted { image, ..Wanted::digits() }
}

/// All images, with what was left out.
fn load(path: &Path, wanted: &Wanted) -> Result<(Dataset, Vec<String>, Vec<String>), DataError> {
    let mut images = Digits::labelled_as(path, wanted)?;
    let mut all = Dataset::empty(path);
    images.read_all(&mut all, |_, _| {})?;
    let skipped = images.take_skipped();
    Ok((all, images.names().to_vec(), skipped))
}

/// A folder of classes, each with even pictures of a colour and size.
fn classes(all: &[(&str, [u8; 3], [u32; 2])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, colour, [width, height]) in all {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(*width, *height, Rgb(*colour)).save(path).unwrap();
    }
    folder
}

fn cat_and_dog() -> TempDir {
    classes(&[
        ("dog/1.png", [10, 20, 30], [5, 4]),
        ("cat/b.JPG", [200, 200, 200], [4, 4]),
        ("cat/a.png", [1, 2, 3], [3, 9]),
    ])
}

/// What stands at `at` of each colour of image `row`.
fn record(label: u8, row: usize) -> Vec<u8> {
    let plane = |colour: usize| (0..1024).map(move |at| (at * 3 + colour * 71 + row * 7) as u8);
    std::iter::once(label).chain((0..3).flat_map(plane)).collect()
}

#[test]
fn files_of_cifar_are_read_pixel_by_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, records: Vec<Vec<u8>>| {
        let path = folder.path().join(name);
        fs::write(&path, records.concat()).unwrap();
        path
    };
    write("data_batch_2.bin", vec![record(9, 2)]);
    write("data_batch_1.bin", vec![record(3, 0), record(0, 1)]);
    (3..6).for_each(|number| drop(write(&format!("data_batch_{number}.bin"), vec![record(7, 3)])));
    let test = write("test_batch.bin", vec![record(5, 9)]);
    write("readme.html", vec![]);
    let wanted = wanted([32, 32, 3]);
    let (all, names, skipped) = load(folder.path(), &wanted).unwrap();
    assert_eq!((&all.labels[..], all.images.shape()), (&[3, 0, 9, 7, 7, 7][..], [32, 32, 3]));
    assert_eq!((names.len(), names[0].as_str(), names[9].as_str()), (10, "airplane", "truck"));
    assert!(skipped.is_empty());
    for row in 0..3 {
        let image = all.images.get(row).unwrap();
        for at in [0, 1, 31, 32, 1023] {
            let pixel = [0, 1, 2].map(|colour| (at * 3 + colour * 71 + row * 7) as u8);
            assert_eq!(image[at * 3..at * 3 + 3], pixel, "image {row}, pixel {at}");
        }
    }
    let of_test = Wanted { part: Part::Test, ..wanted.clone() };
    assert_eq!(load(folder.path(), &of_test).unwrap().0.labels, [5]);
    assert_eq!(load(&test, &wanted).unwrap().0.labels, [5]);
    let mut pixels = Dataset::empty(&test);
    Digits::unlabelled_as(&test, &wanted, Invert::Auto).unwrap().read(9, &mut pixels).unwrap();
    assert_eq!((pixels.images.len(), pixels.labels.len()), (1, 0));

    fs::remove_file(&test).unwrap();
    assert_fails(load(folder.path(), &of_test), &test, &["is missing", "to measure on"]);
    // Nothing but what is measured on.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("test_batch.bin"), record(1, 0)).unwrap();
    let first = other.path().join("data_batch_1.bin");
    assert_fails(load(other.path(), &wanted), &first, &["is missing", "to train on"]);
    let wrong = write("wrong.bin", vec![record(3, 0), record(10, 1)]);
    assert_fails(load(&wrong, &wanted), &wrong, &["image 2", "10 is not a label"]);
    let cut = write("cut.bin", vec![record(3, 0), vec![1, 2]]);
    assert_fails(load(&cut, &wanted), &cut, &["3075 bytes", "multiple of 3073"]);
    let empty = write("empty.bin", vec![]);
    assert_fails(load(&empty, &wanted), &empty, &["0 bytes", "multiple of 3073"]);
}

#[test]
fn a_folder_with_parts_of_cifar_missing_is_refused() {
    let wanted = wanted([32, 32, 3]);
    let folder = tempfile::tempdir().unwrap();
    let path = |number: u8| folder.path().join(format!("data_batch_{number}.bin"));
    for number in 1..=5 {
        fs::write(path(number), record(number, 0)).unwrap();
    }
    assert_eq!(load(folder.path(), &wanted).unwrap().0.labels, [1, 2, 3, 4, 5]);
    for number in 1..=5 {
        let elsewhere = folder.path().join(format!("DATA_BATCH_{number}.BIN"));
        fs::rename(path(number), &elsewhere).unwrap();
        if path(number).exists() {
            return; // a file system to which such names are one
        }
        let parts = ["is missing", "data_batch_1.bin to data_batch_5.bin", "alone"];
        assert_fails(load(folder.path(), &wanted), &path(number), &parts);
        fs::create_dir(path(number)).unwrap();
        assert_fails(load(folder.path(), &wanted), &path(number), &["no regular file", "alone"]);
        fs::remove_dir(path(number)).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&elsewhere, path(number)).unwrap();
            assert_fails(load(folder.path(), &wanted), &path(number), &["links", "alone"]);
            fs::remove_file(path(number)).unwrap();
        }
        fs::rename(&elsewhere, path(number)).unwrap();
    }
    // What is measured on is one file, and so may be what is trained on.
    fs::remove_file(path(1)).unwrap();
    assert_eq!(load(&path(2), &wanted).unwrap().0.labels, [2]);
    fs::write(folder.path().join("test_batch.bin"), record(6, 0)).unwrap();
    let of_test = Wanted { part: Part::Test, ..wanted };
    assert_eq!(load(folder.path(), &of_test).unwrap().0.labels, [6]);
}

#[test]
fn classes_are_numbered_by_name_and_the_order_is_mixed_but_fixed() {
    let folder = cat_and_dog();
    let (all, names, _) = load(folder.path(), &wanted([2, 2, 3])).unwrap();
    assert_eq!(names, ["cat", "dog"]);
    let mut labels = all.labels.clone();
    labels.sort();
    assert_eq!(labels, [0, 0, 1]);
    for (row, label) in all.labels.iter().enumerate() {
        let image = all.images.get(row).unwrap();
        assert_eq!(image[0] == 10, *label == 1, "{image:?} is {label}");
        assert!(image.chunks(3).all(|pixel| pixel == &image[..3]));
    }
    assert_eq!(load(folder.path(), &wanted([2, 2, 3])).unwrap().0, all);

    let many: Vec<String> = (0..40).map(|i| format!("{}/{i}.png", ["a", "b"][i / 20])).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), [0; 3], [1, 1])).collect();
    let folder = classes(&many);
    let labels = load(folder.path(), &wanted([1, 1, 1])).unwrap().0.labels;
    for (part, rows) in [("first", &labels[..10]), ("last", &labels[30..])] {
        let b = rows.iter().filter(|label| **label == 1).count();
        assert!((1..=9).contains(&b), "{b} of b among the {part} ten");
    }

    // By the names that a network knows.
    let known = ["dog", "cow", "cat"].map(String::from).to_vec();
    let folder = cat_and_dog();
    let mut labels = load(folder.path(), &Wanted { classes: known.clone(), ..wanted([1, 1, 3]) });
    let (all, names, _) = labels.as_mut().unwrap();
    all.labels.sort();
    assert_eq!((&all.labels[..], &names[..]), (&[0, 2, 2][..], &known[..]));
    let known = Wanted { classes: known[..2].to_vec(), ..wanted([1, 1, 3]) };
    assert_fails(load(folder.path(), &known), &folder.path().join("cat"), &["dog, cow"]);
}

#[test]
fn pictures_are_scaled_and_cut_to_the_middle() {
    // Three parts side by side: red, green and blue.
    let thirds = RgbImage::from_fn(90, 30, |x, _| {
        let mut colour = [0; 3];
        colour[x as usize / 30] = 250;
        Rgb(colour)
    });
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, picture: &image::DynamicImage| {
        let path = folder.path().join(name);
        picture.save(&path).unwrap();
        path
    };
    let read = |path: &PathBuf, image| {
        let mut all = Dataset::empty(path);
        let mut picture = Digits::unlabelled_as(path, &wanted(image), Invert::Auto).unwrap();
        assert_eq!(picture.read(5, &mut all).unwrap(), 1);
        assert_eq!(all.images.shape(), image);
        all.images.pixels
    };
    let wide = save("wide.png", &thirds.clone().into());
    assert_eq!(read(&wide, [4, 4, 3]), [0, 250, 0].repeat(16), "the middle third");
    // The filter's neighbours are a pixel wide: each is of its own colour mostly.
    let three = read(&wide, [1, 3, 3]);
    let strong = |pixel: &[u8]| pixel.iter().position(|value| *value > 180);
    assert_eq!(three.chunks(3).map(strong).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    let high = save("high.png", &image::imageops::rotate90(&thirds).into());
    assert_eq!(read(&high, [8, 8, 3]), [0, 250, 0].repeat(64));
    // What fits is not touched.
    assert_eq!(read(&wide, [30, 90, 3]), thirds.into_raw());
    // Grey by the colours' weights (BT.709); what is transparent is white.
    let green = save("green.png", &RgbImage::from_pixel(9, 9, Rgb([0, 250, 0])).into());
    let grey = read(&green, [2, 3, 1]);
    assert!(grey.iter().all(|value| (178..=179).contains(value)), "{grey:?}");
    let clear = RgbaImage::from_fn(2, 1, |x, _| Rgba([0, 0, 200, [0, 255][x as usize]]));
    let clear = save("clear.png", &clear.into());
    assert_eq!(read(&clear, [1, 2, 3]), [255, 255, 255, 0, 0, 200]);
    // Larger and smaller than a pixel of theirs.
    let one = save("one.png", &RgbImage::from_pixel(1, 1, Rgb([7, 8, 9])).into());
    assert_eq!(read(&one, [3, 5, 3]), [7, 8, 9].repeat(15));
    let line = save("line.png", &RgbImage::from_pixel(1, 300, Rgb([7, 8, 9])).into());
    assert_eq!(read(&line, [3, 5, 3]), [7, 8, 9].repeat(15));
}

#[test]
fn bad_pictures_are_named_or_left_out() {
    let folder = cat_and_dog();
    let path = |name: &str| folder.path().join(name);
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let even = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 3, y as u8 * 3, 9]));
    even.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let half = jpeg.get_ref().len() / 2;
    let wanted = wanted([2, 2, 3]);
    let skip = Wanted { on_bad_image: OnBadImage::Skip, ..wanted.clone() };
    for (name, content) in [
        ("dog/text.png", b"a text".to_vec()),
        ("dog/none.jpg", Vec::new()),
        ("dog/head.jpeg", jpeg.get_ref()[..40].to_vec()),
        ("dog/half.jpg", jpeg.get_ref()[..half].to_vec()),
        ("cat/cut.png", fs::read(path("cat/a.png")).unwrap()[..40].to_vec()),
    ] {
        fs::write(path(name), content).unwrap();
        assert_fails(load(folder.path(), &wanted), &path(name), &["cannot be decoded"]);
        let (all, _, skipped) = load(folder.path(), &skip).unwrap();
        assert_eq!((all.len(), all.images.len(), skipped.len()), (3, 3, 1), "{skipped:?}");
        assert!(skipped[0].contains(name), "{skipped:?}");
        fs::remove_file(path(name)).unwrap();
    }
    // What is no picture by its name does not count.
    for name in ["dog/notes.txt", "dog/.hidden.png", ".DS_Store", "list.csv"] {
        fs::write(path(name), "text").unwrap();
    }
    assert_eq!(load(folder.path(), &wanted).unwrap().0.len(), 3);
    // A class of which nothing is left is not trained on.
    fs::write(path("dog/1.png"), "text").unwrap();
    let parts = ["no picture that can be read", "take the folder away"];
    assert_fails(load(folder.path(), &skip), &path("dog"), &parts);
    let of_test = Wanted { part: Part::Test, ..skip.clone() };
    assert_eq!(load(folder.path(), &of_test).unwrap().0.labels, [0, 0]);
    for name in ["cat/a.png", "cat/b.JPG"] {
        fs::write(path(name), "text").unwrap();
    }
    let said = load(folder.path(), &skip).unwrap_err().to_string();
    assert!(said.contains("none of the 3 pictures"), "{said}");
}

#[test]
fn folders_of_another_kind_are_refused() {
    let wanted = wanted([2, 2, 3]);
    let empty = tempfile::tempdir().unwrap();
    assert_fails(load(empty.path(), &wanted), empty.path(), &["0 folders", "two at least"]);
    let one = classes(&[("cat/a.png", [0; 3], [1, 1])]);
    assert_fails(load(one.path(), &wanted), one.path(), &["1 folders", "two at least"]);
    // But where the classes are known, one will do.
    let known = ["cat", "dog"].map(String::from).to_vec();
    let known = Wanted { classes: known, ..wanted.clone() };
    assert_eq!(load(one.path(), &known).unwrap().0.labels, [0]);
    assert_fails(load(empty.path(), &known), empty.path(), &["no folders", "cat, dog"]);
    fs::create_dir(one.path().join("dog")).unwrap();
    let dog = one.path().join("dog");
    assert_fails(load(one.path(), &wanted), &dog, &["holds no pictures"]);
    fs::create_dir(dog.join("small")).unwrap();
    assert_fails(load(one.path(), &wanted), &dog.join("small"), &["folder of a class"]);
    let many = tempfile::tempdir().unwrap();
    for number in 0..3000 {
        fs::create_dir(many.path().join(number.to_string())).unwrap();
    }
    assert_fails(load(many.path(), &wanted), many.path(), &["more than 256 folders"]);
    let nowhere = Path::new("no/such/folder");
    assert_fails(load(nowhere, &wanted), nowhere, &["no such file"]);
}

#[cfg(unix)]
#[test]
fn links_and_odd_names_within_a_folder_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let elsewhere = classes(&[("cow/a.png", [0; 3], [1, 1])]);
    let wanted = wanted([2, 2, 3]);
    let folder = cat_and_dog();
    let link = folder.path().join("dog/link.png");
    symlink(elsewhere.path().join("cow/a.png"), &link).unwrap();
    assert_fails(load(folder.path(), &wanted), &link, &["is a link"]);
    fs::remove_file(&link).unwrap();
    let link = folder.path().join("cow");
    symlink(elsewhere.path().join("cow"), &link).unwrap();
    assert_fails(load(folder.path(), &wanted), &link, &["is a link"]);
    fs::remove_file(&link).unwrap();
    // The folder itself may be one: it was named.
    let named = elsewhere.path().join("named");
    symlink(folder.path(), &named).unwrap();
    assert_eq!(load(&named, &wanted).unwrap().0.len(), 3);
    fs::remove_file(&named).unwrap();
    let batch = elsewhere.path().join("data_batch_1.bin");
    symlink(folder.path().join("dog/1.png"), &batch).unwrap();
    let said = load(elsewhere.path(), &wanted).unwrap_err().to_string();
    assert!(said.contains("data_batch_1.bin is a link"), "{said}");
    // What is neither file nor folder is refused, and a pipe without a writer not waited for.
    let odd = folder.path().join("dog/odd.png");
    let made = std::process::Command::new("mkfifo").arg(&odd).status().unwrap();
    assert!(made.success());
    assert_fails(load(folder.path(), &wanted), &odd, &["is a pipe, a socket or a device"]);
    fs::remove_file(&odd).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&odd).unwrap();
    assert_fails(load(folder.path(), &wanted), &odd, &["is a pipe, a socket or a device"]);
    fs::remove_file(&odd).unwrap();
    assert_eq!(load(folder.path(), &wanted).unwrap().0.len(), 3);
    for (name, why) in [(&b"\xff"[..], "UTF-8"), (b"a\x1bb", "control character")] {
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&path).unwrap();
        fs::copy(folder.path().join("dog/1.png"), path.join("1.png")).unwrap();
        let said = load(folder.path(), &wanted).unwrap_err().to_string();
        assert!(said.contains(why) && !said.contains('\u{1b}'), "{said}");
        fs::remove_dir_all(&path).unwrap();
    }
}

/// A network of another size takes no digits, so their format is not what it wants.
#[test]
fn what_is_no_picture_is_told_what_the_network_takes() {
    for (image, content) in [([32, 32, 3], "1,2,3\n"), ([9, 9, 1], "1,2\n"), ([32, 32, 3], "")] {
        let (_folder, path) = crate::file("rows.csv", content);
        let said = Digits::unlabelled_as(&path, &wanted(image), Invert::Auto).err().unwrap();
        let takes = format!("the network takes images of {}x{}x{} ", image[0], image[1], image[2]);
        let said = said.to_string();
        assert!(said.starts_with(&takes) && said.contains("rows.csv is no picture"), "{said}");
        assert!(said.contains("PNG or JPEG") && !said.contains("784"), "{said}");
        assert_eq!(said.contains("CIFAR-10"), image[2] == 3, "{said}");
    }
    let (_folder, path) = crate::file("odd", [1, 2, 3]);
    let parts = ["no known kind", "folder of pictures by class"];
    assert_fails(load(&path, &wanted([32, 32, 3])), &path, &parts);
    assert_fails(load(&path, &wanted([28, 28, 1])), &path, &["CSV", "784"]);
}
