//! Random steps: a layer made of a step's changes must do to the base what the step did.

use crate::image::{dir, entry, file, hard_link, layer_of, symlink, unpack, view};
use kiln_image::layer::{Entry, Kind};
use kiln_rootfs::changes::{ChangeSet, WriteOptions, diff};
use kiln_rootfs::index::Index;
use kiln_rootfs::unpack::{Limits, unpack_layer};
use kiln_rootfs::{FileType, Rootfs, Timestamp};
use rustix::fs::{OFlags, RenameFlags};

const ROUNDS: u64 = 25;
const ACTIONS: u64 = 25;

/// xorshift64*: the same steps in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// A short path over few names, so that actions meet.
    fn path(&mut self) -> Vec<u8> {
        let depth = 1 + self.below(3);
        let names: Vec<&str> = (0..depth)
            .map(|_| ["a", "b", "c", "a-b", "link"][usize::try_from(self.below(5)).unwrap()])
            .collect();
        names.join("/").into_bytes()
    }
}

fn base() -> Vec<Entry> {
    vec![
        dir("a"),
        dir("a/a"),
        file("a/a/b"),
        file("a/b"),
        hard_link("a/c", "a/b"),
        entry("a-b", Kind::Dir, 0o500, 5, 6),
        entry("a-b/a", Kind::File { size: 5 }, 0o4711, 7, 8),
        file("b"),
        dir("c"),
        symlink("c/link", "../a"),
        symlink("link", "c"),
    ]
}

/// One change, whatever it meets: most fail often, as in life.
fn act(random: &mut Random, rootfs: &Rootfs, others: &mut u32) {
    let (path, other) = (random.path(), random.path());
    let mode = u32::try_from(random.below(0o10000)).unwrap();
    *others += 1;
    let uid = 100 + *others;
    let _ = match random.below(13) {
        0 | 1 => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
            rootfs.open(&path, flags, mode).map(|fd| {
                rustix::io::write(&fd, format!("{uid}").as_bytes()).unwrap();
            })
        }
        2 => rootfs.mkdir(&path, mode),
        3 => rootfs.mkdir_all(&path, 0o755).map(drop),
        4 => rootfs.symlink(&other, &path),
        5 => rootfs.hard_link(&other, &path, false),
        6 => rootfs.rename(&other, &path, RenameFlags::empty()),
        7 => rootfs.unlink(&path),
        8 => rootfs.remove_all(&path),
        9 => rootfs.set_mode(&path, mode),
        10 => rootfs.set_owner(&path, Some(uid), Some(uid), random.below(2) == 0),
        11 => rootfs.mknod(&path, FileType::Char, mode, (1, uid)),
        _ => {
            let time = Timestamp { secs: i64::from(uid), nanos: 7 };
            rootfs.set_times(&path, None, Some(time), false)
        }
    };
}

#[test]
fn layers_of_random_steps() {
    crate::modes::in_all_modes("steps::layers_of_random_steps", |dir| {
        let limits = Limits::default();
        for round in 1..=ROUNDS {
            let mut random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let stage = Rootfs::create(&dir.join("stage")).unwrap();
            let twin = Rootfs::create(&dir.join("twin")).unwrap();
            unpack(&stage, &base()).unwrap();
            unpack(&twin, &base()).unwrap();
            let mut index = Index::take(&stage).unwrap();
            let mut others = 0;
            for step in 0..3 {
                for _ in 0..ACTIONS {
                    act(&mut random, &stage, &mut others);
                }
                let (changes, after) = diff(index, &stage).unwrap();
                let layer = layer_of(&stage, &changes, &WriteOptions::default());
                unpack_layer(&twin, &mut layer.as_slice(), &limits).unwrap();
                assert_eq!(view(&twin), view(&stage), "round {round}, step {step}");
                index = after;
            }
            // An index that was told the changes is as good as one that was taken.
            let before: Vec<Vec<u8>> = view(&stage).into_keys().map(String::into_bytes).collect();
            act(&mut random, &stage, &mut others);
            act(&mut random, &stage, &mut others);
            let fresh = Index::take(&stage).unwrap();
            let mut told = ChangeSet::new();
            let now: Vec<Vec<u8>> = view(&stage).into_keys().map(String::into_bytes).collect();
            for path in before.iter().filter(|path| !now.contains(path)) {
                told.delete(path);
            }
            for path in &now {
                told.add(path);
            }
            index.update(&stage, &told).unwrap();
            index.settle();
            let (rest, _) = diff(index, &stage).unwrap();
            assert_eq!(rest, ChangeSet::new(), "round {round}");
            drop(fresh);
            stage.remove().unwrap();
            twin.remove().unwrap();
        }
    });
}
