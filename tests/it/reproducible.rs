//! The same input gives the same digest.

use crate::support::{Kiln, base};

#[test]
fn source_date_epoch_fixes_every_time() {
    let Some(debian) = base("debian") else { return };
    let dockerfile = "FROM debian AS build\nWORKDIR /src\nCOPY . .\nRUN cp f g && mkdir -p a/b/c\n\
                      FROM debian\nCOPY --from=build /src /dst\nRUN touch /new && rm /etc/issue\n\
                      ADD f /added/\nCOPY <<EOF /doc\ntext\nEOF\nLABEL a=b\n";
    let mut digests = Vec::new();
    for _ in 0..2 {
        // Nothing is shared: other work directory, other context, other times.
        let mut kiln = Kiln::with(dockerfile);
        kiln.file("f", "content");
        kiln.env("SOURCE_DATE_EPOCH", "1700000000");
        let image = kiln.build(&["--build-context", &Kiln::base_arg("debian", &debian)]);
        assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");
        for index in 1..image.layer_count() {
            for (path, entry) in image.layer(index) {
                assert!(entry.mtime <= 1_700_000_000, "{path}");
            }
        }
        digests.push(image.digest);
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert_eq!(digests[0], digests[1]);
}
