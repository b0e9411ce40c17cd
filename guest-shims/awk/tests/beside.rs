//! awk beside mawk and BusyBox's awk on the same input.

use std::path::Path;

use trial::{Case, Family, Trial};

const STAGE: &str = "printf 'alpha beta gamma\\none two three\\n\\n10 9 8\\n3.5 x 1e2\\n' >t; \
    printf 'root:x:0:0:root:/root:/bin/sh\\nbin:x:2:2::/bin:/bin/false\\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\\n' >p; \
    printf 'a,b,c\\n1,2,3\\n,,\\nx\\n' >c; printf 'k1=v1\\nk2=v2\\n# note\\n\\nk3 = v3\\n' >e; \
    printf '\\n\\nname: A\\nsize: 1\\n\\n\\n\\nname: B\\nsize: 22\\n' >r; seq 12 >s; printf 'last line without end' >n";

/// Cases for both awks.
const BOTH: &[&str] = &[
    "awk '{print $1}' t",
    "awk '{print $NF, NF, NR, FNR}' t s",
    "awk -F: '{print $1 \"=\" $3}' p",
    "awk -F : '$3 >= 2 {print $1}' p",
    "awk -F, '{print $2; print NF}' c",
    "awk 'NR==2' t; awk 'NR==2,NR==4' t; awk '/two/,/none/' t; awk '!/a/' t; awk 'END{print NR}' t",
    "awk 'BEGIN{print 1+2*3-4/2, 7%3, -7%3, (1+2)*3}'",
    "awk 'BEGIN{x=5; x+=2; x-=1; x*=3; x/=2; x%=5; print x, x++, ++x, x--, --x, x}'",
    "awk 'BEGIN{print 1==1.0, \"a\"<\"b\", \"10\"<\"9\", 10<9, 2<10, \"abc\"<1, !0, !1, !\"\", !\"a\", !\"0\"}'",
    "awk '{print ($1<$2), ($1==$1), $1>5}' t; ls",
    "awk 'BEGIN{print 1 \" \" 2, 3; print -12 \" \" -24; print 1 \" \" -1; print 2 -1; print(1)(2)}'",
    "awk 'BEGIN{print 1?\"y\":\"n\", 0?1:0?2:3; print 1&&0, 1||0, 0||0; print 1>2?\"y\":\"n\"}'; cat 2* 2>/dev/null",
    "awk 'BEGIN{if(1)print \"a\"; else print \"b\"; if(0){print \"c\"}else if(1)print \"d\"\nelse\nprint \"e\"}'",
    "awk 'BEGIN{while(i<5){i++; if(i==2)continue; if(i==4)break; print i}; do{print i; i--}while(i>2); for(j=0;j<3;j++)print j; for(;;)break}'",
    "awk 'function f(n){return n<2?1:n*f(n-1)} BEGIN{print f(10); print f(3)f(2)}'",
    "awk 'function g(a,k,v){a[k]=v} function h(a,i){i=5; a[\"n\"]++} BEGIN{g(x,\"q\",7); print x[\"q\"]; h(y); h(y); print y[\"n\"], i}'",
    "awk 'function r(a,n,  l){if(n==0)return; l[n]=n; a[n]=l[n]; r(a,n-1)} BEGIN{r(z,3); print z[1],z[2],z[3], length(z)}'",
    "awk 'function f(x){x=1;return} BEGIN{v=5; f(v); print v, f(1) \"|\"}'",
    "awk '{c[$1]++} END{print c[\"alpha\"], c[\"none\"], (\"one\" in c), (\"nope\" in c), length(c)}' t",
    "awk 'BEGIN{a[1,2]=3; for(k in a){split(k,p,SUBSEP); print p[1] \"-\" p[2]}; if((1,2) in a)print \"in\"; delete a[1,2]; print length(a)}'",
    "awk 'BEGIN{a[\"x\"];a[\"y\"]; delete a[\"x\"]; for(k in a)print k; delete a; for(k in a)print \"no\"; print length(a)}'",
    "awk 'BEGIN{SUBSEP=\":\"; a[1,2]; for(k in a)print k}'",
    "awk '{n=split($0,w); for(i=n;i>0;i--)printf \"%s \", w[i]; print \"\"}' t",
    "awk 'BEGIN{n=split(\"a:b:c\",z,\":\"); print n,z[1],z[3]; print split(\"\",z), length(z); print split(\"a1b22c\",z,/[0-9]+/), z[3]; print split(\" x  y \",z,\" \"), z[1]; print split(\"abc\",z,\"\"), z[2]}'",
    "awk '{sub(/a/,\"A\")}1' t; awk '{print gsub(/[aeiou]/,\"<&>\"), $0}' t",
    "awk 'BEGIN{s=\"a.b.c\"; gsub(/\\./,\"-\",s); print s; gsub(\"-\",\"\\\\&\",s); print s; gsub(\"&\",\"\\\\\\\\&\",s); print s; t=\"x\"; sub(/x/,\"[&&]\",t); print t}'",
    "awk 'BEGIN{a=\"aaa\"; gsub(/x*/,\"-\",a); print a; b=\"hello\"; gsub(/l/,\"\",b); print b; c=\"abc\"; gsub(/$/,\"!\",c); print c; gsub(/^/,\"#\",c); print c}'",
    "awk '{gsub(\"a\",\"b\",$2); print; print NF}' t; awk '{sub(/^[^ ]+ /,\"\"); print NF, $1}' t",
    "awk 'BEGIN{print match(\"foobar\",/o+/), RSTART, RLENGTH; print match(\"x\",/y/), RSTART, RLENGTH; print match(\"abc\",\"c$\")}'",
    "awk 'BEGIN{print substr(\"hello\",2), substr(\"hello\",2,3), substr(\"hello\",10) \"|\", substr(\"hello\",2,100), substr(\"hello\",3,-1) \"|\", substr(12345,2,3), substr(\"hello\",-3)}'",
    "awk 'BEGIN{print index(\"foobar\",\"bar\"), index(\"abc\",\"z\"), length(\"hello\"), length(12345), length(), toupper(\"aBc1\"), tolower(\"ABC\")}'; awk '{print length, length($1)}' t",
    "awk 'BEGIN{print int(3.9), int(-3.9), int(\"3abc\"), int(\"x\")}'",
    "awk 'BEGIN{printf \"%d %i %5d|%-5d|%05d|%+d|% d\\n\", 3.9, -2, 42, 42, 42, 5, 5}'",
    "awk 'BEGIN{printf \"%s|%5s|%-5s|%.2s|%c%c\\n\", \"abc\", \"ab\", \"ab\", \"abcdef\", 65, \"hello\"}'",
    "awk 'BEGIN{printf \"%o %x %X %#x %#o %u %e %.2e %E %g %G\\n\", 8, 255, 255, 255, 8, 7, 12345.678, 12345.678, 0.00012, 0.0001, 1e-10}'",
    "awk 'BEGIN{printf \"%5.2f|%-8.3f|%08.2f|%.0f %.0f\\n\", 3.14159, 2.5, -1.5, 2.5, 3.5; printf(\"%s-%s\\n\", \"a\", \"b\"); printf \"100%%\\n\"}'",
    "awk 'BEGIN{x=sprintf(\"%03d:%s\", 7, \"x\"); print x; print sprintf(\"%s\", 3.0), sprintf(\"%d\", \"0x1f\"), sprintf(\"%s\", 1e6)}'",
    "awk 'BEGIN{print 0.1+0.2, 1e6, 1234567.5, 1/3, 100000*10, 1e-5, 123456.789, 3.0, -0, 17 \"\"; CONVFMT=\"%.2f\"; print 3.14159 \"\", 3.14159; OFMT=\"%.3f\"; print 3.14159, 12}'",
    "awk 'BEGIN{a[0.1+0.2]=1; for(k in a)print k; b[\"1\"]=2; print b[1]; b[1.0]++; print b[1], (1 in b)}'",
    "awk '{$2=\"X\"}1' t; awk '{$1=$1}1' OFS=- t; awk '{$5=\"e\"; print; print NF}' t",
    "awk '{NF=2; print; $0=\"p q r\"; print $2, NF}' t; awk '{$(NF+2)=5; print NF \":\" $0}' t; awk 'BEGIN{$3=\"x\"; print NF \":\" $0; $0=\"\"; print NF}'",
    "awk '{$2=\"\"; print; print NF; $0=$0; print NF}' t; awk '{print $(1), $NF, $(NF-1)}' p; awk '{i=1; print $i++, i; print $i}' t",
    "awk 'BEGIN{FS=\",\"; OFS=\";\"} {print $1,$2; $1=$1; print}' c; awk -F, -v OFS=: '$1=$1' c",
    "awk '{FS=\":\"; print $1} END{print $1}' p; awk 'BEGIN{FS=\"[:/]+\"}{print $5, NF}' p; awk -F'|' '{print NF}' p",
    "for s in . '|' '*' '+' '^' '$' '[' '(' t ']' '?' '{'; do printf 'a.b|c*d+e^f$g[h(itk]n?o{p\\n' | awk -F\"$s\" '{print NF, $1}'; done",
    "printf ' a  b \\n' | awk -F'[ ]' '{print NF, $2}'; printf ' a  b \\n' | awk -F' +' '{print NF, $2}'; printf 'a\\tb c\\n' | awk -F'\\t' '{print $2}'; printf 'abc\\n' | awk 'BEGIN{FS=\"\"}{print $2, NF}'",
    "awk 'BEGIN{RS=\"\"}{print NR \": \" $1 \"|\" $NF \"|\" NF}' r; awk -v RS= '{print; print \"--\"}' r; awk -v RS= -F'\\n' '{print $2}' r",
    "awk 'BEGIN{RS=\":\"}{print NR, $0}' p; awk -v RS='[:/]+' '{printf \"<%s>\", $0}' p; awk -v ORS='|' '{print $1}' t; printf 'aXbXX' | awk -v RS=X '{printf \"<%s>\",$0}'",
    "awk '{print FILENAME, FNR, NR, v}' v=1 t v=2 s; awk 'END{print v}' v=9 t; awk 'BEGIN{print v \"|\"}' v=3; echo q | awk '{print v, FILENAME}' v=7",
    "awk -v 'x=a\\tb' 'BEGIN{print x}'; awk -vx=1 -v y=2 'BEGIN{print x+y, x y}'; awk -v n=010 'BEGIN{print n+0, n==10}'",
    "awk 'BEGIN{print ARGC, ARGV[1], ARGV[2]; ARGV[1]=\"s\"; ARGC=2} NR<3' none other; awk 'BEGIN{ARGV[1]=\"\"} NR==1' none s; awk 'BEGIN{delete ARGV[1]} NR==1' none s",
    "X=5 Y='a b' awk 'BEGIN{print ENVIRON[\"X\"]+1, ENVIRON[\"Y\"], (ENVIRON[\"X\"]<10), ENVIRON[\"NONE\"] \"|\"}'",
    "awk 'BEGIN{while((getline l < \"s\")>0)n+=l; print n; print (getline l < \"none\"); close(\"s\"); getline x < \"s\"; print x}'",
    "awk 'BEGIN{getline; print \"got \" $0, NR; getline x; print x, NR} {print \"main\", $0; if((getline y)>0)print \"y\", y}' t",
    "awk 'NR==1{getline; print} NR==2{next} {print \"r\", $0} END{print getline, $0}' s",
    "awk 'BEGIN{\"echo a b\" | getline; print $2; \"echo c\" | getline v; print v; while((\"echo 1; echo 2\" | getline y)>0)print \"y\" y; close(\"echo c\"); \"echo c\" | getline v; print v}'",
    "awk 'BEGIN{cmd=\"sort -r\"; print \"a\" | cmd; print \"c\" | cmd; print \"b\" | cmd; close(cmd); print \"done\"}'",
    "awk '{print $1 > \"out.\" NR} END{print \"x\" >> \"out.1\"; printf \"%s\\n\", \"y\" > \"f y\"}' t; cat out.1; ls",
    "awk 'BEGIN{print \"a\" > \"o\"; print \"b\" > \"o\"; close(\"o\"); print \"c\" >> \"o\"; close(\"o\"); while((getline l < \"o\")>0)print \"<\" l \">\"}'; echo old >o; awk 'BEGIN{print 1,2 > \"o\"}'; cat o",
    "awk 'BEGIN{print \"x\" > \"/dev/stdout\"; print \"e\" > \"/dev/stderr\"; print \"n\" > \"/dev/null\"; print (1,2) > \"o\"; print(1>2) > \"o\"}'; cat o",
    "awk 'BEGIN{print \"x\"; system(\"echo y\"); print \"z\"; system(\"\"); r=system(\"exit 3\"); print r; fflush(); system(\"echo w\")}'",
    "awk 'BEGIN{exit 3} END{print \"end\"}'; echo $?; awk '{exit} END{print NR; exit 5; print \"no\"}' t; echo $?; awk 'function f(){exit 4} BEGIN{f(); print \"no\"}'; echo $?; awk 'BEGIN{exit 1+1; }'; echo $?",
    "awk '{next; print \"no\"} END{print \"e\"}' t; awk 'NR%2{next}1' s; awk '!seen[$0]++' t t",
    "awk 'END{print $0, NF}' t; awk 'END{print; print $1}' n; awk 1 n; awk '' t; awk '0' t; echo $?",
    "awk -f - t <<'E'\n# a comment\n{ print $1 } # more\n\nEND {\n  print \"end\"\n}\nE\n",
    "echo 'BEGIN{print f(2)}' >a.awk; echo 'function f(x){return x*2}' >b.awk; awk -f a.awk -f b.awk; printf '{print\\n  $1\\n}' >c.awk; awk 'BEGIN { print \"a\", \\\n \"b\" }'",
    "awk 'BEGIN { x[1] = 1; if (1 &&\n1) print \"and\"; if (0 ||\n1) print \"or\"; for (i = 0;\n i < 2;\n i++) print i; print 1,\n2; }'",
    "awk 'BEGIN{print length \"x\"; print length; $0=\"ab c\"; print length * 2}'; awk 'BEGIN{print 1e3, .5, 5., 1.5e-3, 0x, 011}'",
    "awk 'BEGIN{print \"a+b\" ~ /a\\+b/, \"ab\" ~ \"a.b*\", \"x\" ~ /[[:alpha:]]/, \"a/b\" ~ /a\\/b/, \"a]b\" ~ /[]]/, \"\\\\\" ~ /\\\\/, \"a.b\" ~ \"a\\\\.b\", \"axb\" ~ \"a\\\\.b\"}'",
    "awk '$1 ~ /^a/ && $2 !~ /z/ {print \"m\", $1} $1 ~ \"^one$\"' t; awk '/^[0-9.]+ /{print \"num\", $1}' t; awk '/(alpha|two).*a/' t; awk '/^$/{print \"empty\", NR}' t",
    "awk 'BEGIN{r=\"^[a-c]+$\"; print \"abc\" ~ r, \"abd\" ~ r; print \"AbC\" ~ /abc/; print \"a\\tb\" ~ /\\t/; print \"ab\" ~ /a$|^ab$/; print \"\" ~ /^$/, \"x\" ~ //}'",
    "awk -F= '/^[^#]/ && NF==2 {gsub(/ /,\"\"); print $1 \"->\" $2}' e; awk -F' *= *' '$1==\"k3\"{print $2}' e",
    "awk '{s+=$1} END{print s, s/NR}' s; awk 'NR==1||$1>m{m=$1} END{print m}' s; awk '{a[NR]=$0} END{for(i=NR;i>0;i--)print a[i]}' t",
    "awk '{a[i++]=$1} END{for(j=0;j<i;j++)printf \"%s%s\", a[j], (j<i-1?\",\":\"\\n\")}' s; awk 'ORS=NR%3?\" \":\"\\n\"' s",
    "awk '{print; print \"-\"}' n; printf 'a\\r\\nb\\r\\n' | awk '{sub(/\\r$/,\"\"); print $0 \"|\"}'; printf 'a\\\\b\\n' | awk '{gsub(/\\\\/,\"/\"); print}'",
    "awk 'BEGIN{print substr(\"x\",1,0) \"|\" substr(\"\",1) \"|\"; print -\"3\", +\"4x\", \"3\"+\"4\", \"3\" \"4\"+1; print 1 - 1 \" \" 2; x=y=3; print x y; print x+++y; print 1 < 2}' ",
    "awk 'BEGIN{print u+0, u \"|\", (u==0), (u==\"\"), length(u); if(!u)print \"unset\"; a[\"x\"]; print (a[\"x\"]==0)}'",
    "echo '5 apples' | awk '{print $1*2, $2*2, $1 $2, ($1 > \"10\"), ($1 > 10)}'; echo ' +5 ' | awk -F, '{print ($1==5), $1+0}'; echo '1e2 0x10 .5. abc' | awk '{print $1+1, $3+0, $4+0, ($1==100)}'",
    "awk 'BEGIN{\"pwd\" | getline d; print (d != \"\"); print toupper(substr(\"abc\",1,1)) substr(\"abc\",2); print index(\"a b\",\" \"); printf \"%s\\n\", \"a\" \"b\"}'",
    "awk 'BEGIN{printf \"a\\n\" \"b\\n\"; printf \"%s %s\\n\", \"x\", \"y\" > \"o\"; close(\"o\"); getline z < \"o\"; print z; print getline < \"none\"}'",
    "awk 'BEGIN { if (!(3 in a)) print \"no\"; print (\"a\" \"b\") ~ \"ab\"; print \"a\" \"b\" ~ \"ab\"; print 1 + 1 \"x\", 2 * 3 \"y\"; print !x + 1 }'",
    "awk 'BEGIN{a=\"x\"; b=a++; print a, b; c=\"3x\"; c++; print c; print -a; d[1]++; d[1]+=2; print d[1]; $0=\"1 2\"; $2+=$1; print}'",
    "awk '/alpha/{f=1} f{print NR\": \"$0} /^$/{f=0}' t; awk '/beta/{print \"b\";next}{print \"o\"}' t; awk 'NR>1{print p} {p=$0}' t",
    "awk -F: '{printf \"%-10s %5d %s\\n\", $1, $3, $NF}' p; awk -F: '{u[$1]=$3} END{print u[\"root\"], u[\"nobody\"]}' p; awk -F: 'length($5)==0{print $1}' p",
    "awk 'BEGIN{n=split(\"3 1 2\",a); for(i=1;i<=n;i++)for(j=i+1;j<=n;j++)if(a[j]<a[i]){t=a[i];a[i]=a[j];a[j]=t}; for(i=1;i<=n;i++)print a[i]}'",
    "awk 'NR==FNR{a[$1]=1; next} !($1 in a)' t s | head -3; awk 'FNR==1{print FILENAME}' t s; awk '{print > FILENAME \".copy\"}' t; cmp t t.copy; echo $?",
    "ldd='\tlibc.so.6 => /lib/libc.so.6 (0x0)\n\tlibm.so => not found'; printf \"$ldd\\n\" | awk '/=>/ { print $(NF-1) }'; printf \"$ldd\\n\" | awk '$3 ~ /^\\//{so=$(NF-1); if(index(so,\"/usr/local/\")==1)next; gsub(\"^/(usr/)?\",\"\",so); printf \"*%s\\n\", so}' | sort -u",
    "awk -F- '{print $1}' <<E\n1.2-3\nE\nawk -F'\"' '/v/{print $2}' <<E\nv=\"1.2\"\nE\nawk '$1 == \"k1=v1\" {print \"yes\"; exit}' e; awk '{print $0}' RS='\\n' s | tail -1",
    "awk 'BEGIN{while(1){if(++i>3)break}; print i; print substr(\"abcdef\",i); {print \"block\"}; ; print \"x\" ; }\n\nEND{}\n' </dev/null; awk 'BEGIN{};{print}' n; awk 'BEGIN{print 1};END{print 2}' n",
    "awk 'BEGIN{x[\"b\"];x[\"a\"];x[10];x[9];x[\"c\"];for(i=1;i<5;i++)x[i]; for(k in x)printf \"%s \", k; print length(x)}'",
    "awk '{for(i=1;i<=NF;i++)c[$i]++} END{for(w in c)print w, c[w]}' t p e",
    "awk 'BEGIN{n=split(\"q w e r t y\",a); for(i in a)printf \"%s=%s \", i, a[i]; print \"\"; delete a[3]; a[\"z\"]; for(i in a)printf \"%s \", i; print \"\"}'",
    "awk '{a[$1]=$0} END{for(k in a)print k}' s; awk '{a[NR]=$0} END{for(k in a)print k; delete a[3]; a[30]; for(k in a)printf \"%s \",k}' s; awk -F: '{s[$7]=s[$7] \" \" $1} END{for(k in s)print k s[k]}' p",
    "seq 300 | awk '{a[\"key\" $1]; b[$1*7]} END{for(k in a)print k; for(k in b)print k}'",
    "seq 50 | awk '{a[$1%7]+=$1; a[\"x\" $1%3]++; if(\"x1\" in a)n++} END{for(k in a)print k, a[k]; print n}'",
    "awk 'BEGIN{print \"a\\\"b\", \"tab\\there\", \"nl\\\\n\", \"\\101\\x\"}' 2>/dev/null | head -c0; awk 'BEGIN{print \"a\\\"b\", \"tab\\there\", \"back\\\\slash\", \"\\101\"}'",
    "awk 'BEGIN{print > \"/nonexistent/x\"; print \"after\"}'; echo $?; awk '{print}' none t; echo $?; awk 'BEGIN{getline x < \"none\"; print x \"|\"}'",
];

const MAWK: &[&str] = &[
    "awk 'BEGIN{print 2^10, 2^3^2, -2^2, 2^-1; x=3; x^=2; print x, 2147483647, 2147483648, 1e15, 1e30, 2^53, 100000*100000}'",
    "awk 'BEGIN{print sqrt(16), exp(0), exp(1), log(10), sin(1), cos(1), atan2(0,-1), atan2(1,2)}'",
    "awk 'BEGIN{print 1/0, -1/0, log(0)}'",
    "awk 'BEGIN{srand(42); print rand(), rand(), int(rand()*100); print srand(5), srand(); srand(1); print rand()}'; awk 'BEGIN{x=rand(); print (x>=0 && x<1)}'",
    "awk 'BEGIN{print substr(\"hello\",0,2), substr(\"hello\",-1,3), substr(\"hello\",1.5,2), substr(\"hello\",0)}'",
    "awk 'BEGIN{printf \"%d %d %d\\n\", 2147483648, -5000000000, 2147483647; printf \"%c|\", \"\"; printf \"%c%c\\n\", 256+65, \"\"}'",
    "awk 'BEGIN{print \"a\\/b\", \"\\q\", \"a\\.b\"; print \"a{2}\" ~ /a{2}/, \"aa\" ~ /^a{2}$/; print \"x1y\" ~ /x[0-9]{1,}y/}'",
    "awk 'BEGIN{gsub(/b*/,\"X\",s); s=\"abc\"; gsub(/b*/,\"X\",s); print s; t=\"q\"; gsub(/q/,\"a\\\\\\\\b\",t); print t; print index(\"abc\",\"\")}'",
    "awk 'BEGIN{x = \"A\" \"echo B\" | getline; print x, $0; \"exit 5\" | getline; print close(\"exit 5\"); print \"x\" | \"cat >/dev/null; exit 4\"; print close(\"cat >/dev/null; exit 4\"); print close(\"none\"); print system(\"kill -9 $$\")}'",
    "awk 'BEGIN{print \"x\"; print \"w\" | \"cat\"; print \"last\"}'; awk 'BEGIN{print \"a\" | \"cat\"; print \"b\" | \"cat 1>&2\"; print \"c\" > \"-\"}'; awk 'BEGIN{printf \"%*d|%-*d|\\n\", 5, 42, 5, 42}'",
    "mawk 'BEGIN{print ARGV[0]}'; awk 'BEGIN{print ARGV[0]}'; awk -F'[/]' '/[/]r/{print $2}' p; awk '{print $1 > \"o\" ; print $2 > \"o\" \"p\"}' t; cat o op",
];

const BUSYBOX: &[&str] = &[
    "awk 'BEGIN{print 2147483648, 1e15, 1e18, 1e19, 1e30, 123456789012, 100000*100000; x[2147483648]; for(k in x)print k}'",
    "awk 'BEGIN{printf \"%d %d\\n\", 2147483647, 12; printf \"%s|%d|\\n\"; printf \"%c|\", \"\"}'; awk 'BEGIN{print 1/0}'; echo $?; awk 'BEGIN{print 5%0}'; echo $?",
    "awk 'BEGIN{print \"a\\/b\", \"\\q\", \"a\\.b\", \"\\e[0m\"; print \"aa\" ~ /^a{2}$/, \"aaa\" ~ /^a{2}$/}'",
    "awk 'BEGIN{t=\"q\"; gsub(/q/,\"a\\\\\\\\b\",t); print t; print index(\"abc\",\"\"); \"exit 5\" | getline; print close(\"exit 5\"); print close(\"none\")}'",
    "awk 'BEGIN{print \"x\"; print \"w\" | \"cat\"; print \"last\"}'; awk 'BEGIN{\"echo \" \"A\" | getline x; print x}'; awk 'FNR==2{nextfile}1' t s",
];

fn compare(family: Family, scripts: &[&'static str]) {
    let program = Path::new(env!("CARGO_BIN_EXE_awk"));
    let commands: &[&str] = match family {
        Family::Gnu => &["awk", "mawk"],
        Family::BusyBox => &["awk"],
    };
    let cases: Vec<Case> = scripts.iter().map(|script| (STAGE, *script)).collect();
    Trial { program, commands, family }.compare(&cases);
}

#[test]
fn as_mawk() {
    let target = std::fs::canonicalize("/usr/bin/awk").unwrap_or_default();
    if !target.ends_with("mawk") {
        eprintln!("skipped: this machine's awk is not mawk");
        return;
    }
    compare(Family::Gnu, BOTH);
    compare(Family::Gnu, MAWK);
}

#[test]
fn as_busybox() {
    compare(Family::BusyBox, BOTH);
    compare(Family::BusyBox, BUSYBOX);
}
