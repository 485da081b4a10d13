//! Two runs in one folder.

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::{Running, resume, train};

#[test]
fn a_second_run_in_the_folder_is_refused_until_the_first_is_gone() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let mut first = Running::start(&place, &train(&place, "out", "--steps 1000000 --eval-every 5"));
    first.trains(&place, "out", 20);
    let config = place.read("out/config.toml");
    for second in
        [train(&place, "out", "--steps 4 --overwrite"), resume(&place, "out", "--steps 2000000")]
    {
        let said = run_all(&second);
        assert_eq!(said.code, Some(1), "{said:?}");
        let out = place.path("out");
        assert!(said.error().starts_with(&format!("{out} is in use by another run")), "{said:?}");
        if cfg!(unix) {
            let process = format!("(process {}, for ", first.child.id());
            assert!(said.error().contains(&process), "{said:?}");
        }
    }
    assert_eq!(place.read("out/config.toml"), config, "the second run has changed something");
    first.trains(&place, "out", 40);
    // Killed, it holds nothing any more, though its file is still there.
    first.kill();
    succeed_all(&train(&place, "out", "--steps 4 --overwrite"));
}
