use strict;
use warnings;
use Cwd qw(getcwd abs_path);
use Fcntl qw(:DEFAULT :flock :mode);
use File::Copy qw(copy move);
use File::Find;
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempfile);
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h mkfifo ttyname setsid);

my @lines;
sub note { my ($name, @values) = @_; push @lines, "$name: @values"; }

make_path("/pl/x/y/z", { mode => 0710, owner => "games", group => "daemon" });
chdir "/pl" or die;
open my $file, ">", "f" or die;
print $file "line $_\n" for 1 .. 5;
close $file;
chmod 04711, "f";
chown 5, 6, "f";
link "f", "h";
symlink "../f", "x/s";
mkfifo("p", 0644);
copy("f", "copied");
move("copied", "x/moved");
utime 5, 1_000_000_000, "x/moved";
note("in place", `perl -i.bak -pe 's/line/LINE/' f; cat f | head -1`);
for my $name (qw(f h f.bak p x/s x/moved)) {
    my @s = lstat $name or die "$name: $!";
    note($name, sprintf("%o", $s[2]), @s[3, 4, 5], -s $name // 0);
}
note("errors", map { my $call = $_; $call->() ? "done" : $! + 0 } (
    sub { unlink "none" }, sub { rmdir "x" }, sub { mkdir "f" }, sub { rename "x", "x/y/z/w" },
    sub { opendir my $d, "f" }, sub { open my $f, "<", "f/x" }, sub { link "x", "l" }, sub { readlink "f" },
    sub { chdir "none" }, sub { sysopen my $f, "f", O_CREAT | O_EXCL },
));
my @found;
find({ wanted => sub { push @found, $File::Find::name }, no_chdir => 1 }, ".");
note("found", sort @found);
note("here", getcwd(), abs_path("x/s"), -e "/proc/self/exe" ? readlink "/proc/self/exe" : "");

pipe(my $from, my $to) or die;
my $pid = fork // die;
if (!$pid) {
    $( = $) = "100 100 7";
    $< = $> = 1;
    print $to "$< $> $( $)", -w "f" ? " writable" : " not", -w "/etc/passwd" ? " writable" : " not";
    close $to;
    POSIX::_exit(7);
}
close $to;
note("child", <$from>);
waitpid $pid, 0;
note("status", WIFEXITED($?), WEXITSTATUS($?));
note("shell", `exec 2>&1; nonesuch; echo \$?; kill -TERM \$\$`, $?);
local $SIG{USR1} = sub { note("signal", shift) };
kill USR1 => $$;
open my $lock, "+<", "f" or die;
flock($lock, LOCK_EX) or die;
note("locked", system("perl", "-MFcntl=:flock", "-e", 'open my $f, "f"; exit(flock($f, LOCK_EX | LOCK_NB) ? 1 : 0)'));
my $server = IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die;
if (!fork) { my $c = IO::Socket::UNIX->new(Peer => "socket"); print $c "hello\n"; POSIX::_exit(0); }
note("socket", readline $server->accept);
wait;
unlink "socket";
my ($handle, $name) = tempfile(DIR => "/pl", UNLINK => 1);
note("temporary", sprintf("%o", (stat $handle)[2]));
remove_tree("/pl/x/y");
open my $out, ">", $ARGV[0] or die;
print $out map { s/\n+/|/gr . "\n" } @lines;
close $out;
