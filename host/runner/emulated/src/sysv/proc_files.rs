//! /proc/sysvipc in the kernel's form (proc_sysvipc(5)), which ipcs(1) reads first.

use std::fmt::Write as _;

use super::messages::Queues;
use super::objects::Permissions;
use super::segments::Segments;
use super::semaphores::Sets;

fn ids(of: &Permissions) -> String {
    format!("{:5} {:5} {:5} {:5}", of.uid, of.gid, of.cuid, of.cgid)
}

fn head(of: &Permissions, id: i32) -> String {
    format!("{:10} {id:10}  {:4o}", of.key, of.mode)
}

pub(super) fn segments(segments: &mut Segments) -> String {
    let mut text =
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  \
        cuid  cgid      atime      dtime      ctime                   rss                  swap\n"
            .to_owned();
    for (id, object, attached) in segments.list() {
        let (of, segment) = (&object.permissions, &object.value);
        let _ = writeln!(
            text,
            "{} {:21} {:5} {:5}  {attached:5} {} {:10} {:10} {:10} {:21} {:21}",
            head(of, id),
            segment.size,
            segment.creator,
            segment.last,
            ids(of),
            segment.attached,
            segment.detached,
            of.changed,
            segment.resident() * 4096,
            0
        );
    }
    text
}

pub(super) fn sets(sets: &Sets) -> String {
    let mut text =
        "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      \
        ctime\n"
            .to_owned();
    for (id, object) in sets.all() {
        let (of, set) = (&object.permissions, &object.value);
        let (head, ids) = (head(of, id), ids(of));
        let _ =
            writeln!(text, "{head} {:10} {ids} {:10} {:10}", set.len(), set.operated, of.changed);
    }
    text
}

pub(super) fn queues(queues: &Queues) -> String {
    let mut text =
        "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  \
        cgid      stime      rtime      ctime\n"
            .to_owned();
    for (id, object) in queues.all() {
        let (of, queue) = (&object.permissions, &object.value);
        let _ = writeln!(
            text,
            "{}  {:10} {:10} {:5} {:5} {} {:10} {:10} {:10}",
            head(of, id),
            queue.bytes,
            queue.len(),
            queue.sender,
            queue.receiver,
            ids(of),
            queue.sent,
            queue.received,
            of.changed
        );
    }
    text
}
