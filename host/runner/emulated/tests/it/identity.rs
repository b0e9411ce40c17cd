//! Who a step is, and whose its files are.

use crate::support::{Image, as_pod, works_here};

#[test]
fn owners_and_modes_survive_processes_and_steps() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let first = image.sh(
            "id -u; touch /f /g; chown 33:44 /f; chmod 6750 /f; chmod 000 /g; mkdir -m 500 /d
             touch /d/inside; chown -h 5:6 /bin; stat -c '%u:%g %a' /f /g /d
             cat /g; mknod /null c 1 3; mknod /disk b 8 1; mkfifo /pipe; stat -c '%F %t:%T' /null /disk
             echo more >> /f; stat -c %a /f; mv /f /moved; ln /moved /linked
             stat -c '%u:%g %a %h' /linked",
        );
        assert_eq!(
            first.ok(),
            "0\n33:44 6750\n0:0 0\n0:0 500\ncharacter special file 1:3\nblock special file 8:1\n\
             6750\n33:44 6750 2\n"
        );
        let second = image.sh(
            "stat -c '%u:%g %a' /moved /g /d /bin; chown 0:0 /linked; stat -c '%u:%g %a' /moved
             tar -cf - -C / null moved pipe | tar -tvf - | sort",
        );
        let text = second.ok();
        assert!(text.starts_with("33:44 6750\n0:0 0\n0:0 500\n5:6 777\n0:0 750\n"), "{text}");
        assert!(text.contains("crw-r--r-- ") && text.contains("1,3"), "{text}");
        let metadata = image.rootfs.metadata(b"disk", false).unwrap();
        assert_eq!(metadata.file_type, kiln_rootfs::FileType::Block);
        assert_eq!(image.rootfs.metadata(b"d", false).unwrap().mode, 0o500);
    });
}

#[test]
fn a_user_is_bound_by_permissions() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image
            .sh("echo s > /secret; chmod 600 /secret; echo g > /group; chown 0:2000 /group
             chmod 640 /group; mkdir -m 700 /closed; touch /closed/x; mkdir /mine
             chown bob:bob /mine; touch /tmp/roots; chmod 666 /tmp/roots; mkdir -m 2775 /shared
             chown 0:2000 /shared; chmod 2775 /shared; echo o > /mine/o; chown 1:1 /mine/o")
            .ok();
        let ran = image.sh_as_bob(
            "id -u; id -G; cat /secret 2>/dev/null || echo no1; cat /group
             cat /closed/x 2>/dev/null || echo no2; ls /closed >/dev/null 2>&1 || echo no3
             echo x > /etc/x 2>/dev/null || echo no4; rm -f /tmp/roots 2>/dev/null || echo no5
             chmod 777 /secret 2>/dev/null || echo no6; chown bob /secret 2>/dev/null || echo no7
             touch /mine/f && stat -c '%u:%g' /mine/f; rm -f /mine/o && echo removed
             touch /shared/f && stat -c '%u:%g' /shared/f; chown bob:extra /mine/f && echo given
             chown bob:root /mine/f 2>/dev/null || echo no8; mkdir /mine/d; stat -c %u:%g /mine/d
             ln -s x /mine/l; stat -c %u:%g /mine/l; test -r /secret || echo no9
             mv /etc/passwd /mine/ 2>/dev/null || echo no10; cd /closed 2>/dev/null || echo no11
             ln /secret /mine/s 2>/dev/null || echo no12; mknod /mine/n c 1 3 2>/dev/null || echo no13
             touch -d 2001-01-01 /secret 2>/dev/null || echo no14; cat /mine/../etc/group >/dev/null && echo read",
        );
        assert_eq!(
            ran.out,
            "1000\n1000 2000\nno1\ng\nno2\nno3\nno4\nno5\nno6\nno7\n1000:1000\nremoved\n\
             1000:2000\ngiven\nno8\n1000:1000\n1000:1000\nno9\nno10\nno11\nno12\nno13\nno14\nread\n",
            "{}",
            ran.err
        );
    });
}

#[test]
fn setuid_programs_and_drops_change_who_one_is() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image.sh("cp /usr/bin/id /usr/bin/sid; chmod 4755 /usr/bin/sid; cp /usr/bin/id /gid; chown 0:2000 /gid; chmod 2755 /gid").ok();
        let ran = image.sh_as_bob("sid -u; sid -ru; /gid -g; /gid -rg");
        assert_eq!(ran.out, "0\n1000\n2000\n1000\n", "{}", ran.err);
        let ran = image.sh(
            "setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'id -u; id -G; setpriv --reuid 0 id 2>/dev/null || echo no'
             setpriv --reuid bob --regid bob --init-groups id -G",
        );
        assert_eq!(ran.ok(), "1000\n1000\nno\n1000 2000\n");
    });
}
