#!/bin/sh
# Verify a noisewatch evidence package with stock tools: sha256sum, openssl, ssh-keygen, ffprobe.
#
#   sh verify.sh TRUST [PACKAGE]
#
# TRUST    the folder that the municipality gave you: ca.pem, allowed_signers, revoked, revoked_nodes. With "-" instead
#          the package's own copies are used: that shows that it is intact, not where it came from.
# PACKAGE  the folder of the package; without it, the folder in which this file lies.
#
# Take this file from the municipality too: a forged package can hold a forged verify.sh.
# Exit: 0 good, 1 refused (each line names the part), 69 a tool is missing.
# Left to `noisewatch clips verify`: the form of event.json, the proofs that the log entries stand in the
# logs whose checkpoints are here, and making level and decision again.
set -u
LC_ALL=C TZ=UTC0
export LC_ALL TZ
umask 077

trust=${1:--}
package=${2:-$(dirname "$0")}
for tool in sha256sum openssl ssh-keygen ffprobe; do
    command -v "$tool" >/dev/null 2>&1 || { echo "verify.sh: $tool is not installed" >&2; exit 69; }
done
if [ "$trust" = - ]; then
    trust=$package/keys
elif [ -d "$trust/trust" ]; then
    trust=$trust/trust
fi
trust=$(cd "$trust" && pwd) || exit 66
[ -r "$trust/ca.pem" ] && [ -r "$trust/allowed_signers" ] || { echo "verify.sh: $trust holds no trust" >&2; exit 66; }
cd "$package" || exit 66
work=$(mktemp -d) || exit 74
trap 'rm -rf "$work"' EXIT
trap 'exit 74' HUP INT TERM

bad=0
no() {
    # names in a forged package are hostile: nothing but plain characters reaches the terminal
    printf 'REFUSED %s: %s\n' "$1" "$2" | tr -c '[:print:]\n' '?'
    bad=1
}

# 1. Which files are there: regular files only, each listed once, in the right manifest, and known.
find . ! -type f ! -type d >"$work/odd"
[ -s "$work/odd" ] && no "$(head -n 1 "$work/odd" | cut -c3-)" "is a link or special file"
find . -type d -empty >"$work/empty"
[ -s "$work/empty" ] && no "$(head -n 1 "$work/empty" | cut -c3-)" "is an empty folder"
segment='[A-Za-z0-9][A-Za-z0-9._-]*'
for name in manifest-sha256.txt tagmanifest-sha256.txt tagmanifest-sha256.txt.sig bagit.txt; do
    [ -f "$name" ] || no "$name" "is missing"
done
for name in manifest-sha256.txt tagmanifest-sha256.txt; do
    [ -f "$name" ] || : >"$work/$name"
    [ -f "$name" ] && cp "$name" "$work/$name"
    grep -avE "^[0-9a-f]{64}  $segment(/$segment)*\$" "$work/$name" >/dev/null && no "$name" "has a line that is not a line of a manifest"
    tail -c 1 "$work/$name" | od -An -tx1 | grep -q 0a || no "$name" "does not end with a line feed"
    cut -c67- "$work/$name" | sort -c -u 2>/dev/null || no "$name" "is not sorted, or lists a file twice"
done
cut -c67- "$work/manifest-sha256.txt" | grep -av '^data/' >/dev/null && no manifest-sha256.txt "lists a file outside data/"
cut -c67- "$work/tagmanifest-sha256.txt" | grep -a '^data/' >/dev/null && no tagmanifest-sha256.txt "lists a file inside data/"
cut -c67- "$work/tagmanifest-sha256.txt" | grep -aqx 'manifest-sha256\.txt' || no tagmanifest-sha256.txt "does not list manifest-sha256.txt"
{ cut -c67- "$work/manifest-sha256.txt" "$work/tagmanifest-sha256.txt"; echo tagmanifest-sha256.txt; echo tagmanifest-sha256.txt.sig; } >"$work/listed"
# a time stamp comes after the signature, so no manifest lists it
[ -f tagmanifest-sha256.txt.tsr ] && echo tagmanifest-sha256.txt.tsr >>"$work/listed"
sort -o "$work/listed" "$work/listed"
find . -type f | cut -c3- | sort >"$work/there"
comm -13 "$work/listed" "$work/there" >"$work/more"
comm -23 "$work/listed" "$work/there" >"$work/less"
while read -r name; do no "$name" "is not listed in a manifest"; done <"$work/more"
while read -r name; do no "$name" "is listed in a manifest but missing"; done <"$work/less"
cat >"$work/known" <<'LIST'
@KNOWN@
LIST
clip=clip part=viewing
if [ -f data/original.mp4 ]; then
    clip=original part=original
    cat >>"$work/known" <<'LIST'
@OF_ORIGINAL@
LIST
fi
echo "data/$clip.mp4" >>"$work/known"
cat >"$work/optional" <<'LIST'
@OPTIONAL@
LIST
for name in keys/tsa.pem tagmanifest-sha256.txt.tsr $(cat "$work/optional"); do
    [ -f "$name" ] && echo "$name" >>"$work/known"
done
sort -o "$work/known" "$work/known"
comm -13 "$work/known" "$work/there" >"$work/more"
comm -23 "$work/known" "$work/there" >"$work/less"
while read -r name; do no "$name" "does not belong in a package"; done <"$work/more"
while read -r name; do no "$name" "is missing"; done <"$work/less"
together() { [ -f "$1" ] && [ ! -f "$2" ] && no "$2" "is missing"; }
together data/calibration/record.json data/calibration/record.json.p7s
together data/signature/card.md data/signature/SHA256SUMS
together data/signature/signature.toml data/signature/SHA256SUMS

# 2. Every byte.
printf 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n' | cmp -s - bagit.txt || no bagit.txt "is not the declaration of BagIt 1.0"
for name in manifest-sha256.txt tagmanifest-sha256.txt; do
    sha256sum --check --strict --quiet "$work/$name" >"$work/sums" 2>/dev/null || {
        grep -a 'FAILED' "$work/sums" >"$work/failed"
        while read -r line; do no "${line%%:*}" "differs from its SHA-256 in the manifest"; done <"$work/failed"
        bad=1
    }
done

# 3. The officer's signatures over the request and over the tag manifest, in the one spelling that ssh-keygen writes.
text_of() { sed -n "s/.*\"$1\":\"\\([^\"\\\\]*\\)\".*/\\1/p" "$2" 2>/dev/null | head -n 1; }
sig=tagmanifest-sha256.txt.sig
when=$(text_of at custody/request.json | tr -cd 0-9 | cut -c1-14)
signer=
signed() {
    # file, what is read of it, its signature, the namespace, and that in hexadecimal with its length before;
    # the request that names who signs, in $asks, and when, in $when
    signer=
    {
        echo '-----BEGIN SSH SIGNATURE-----'
        sed '1d;$d' "$3" 2>/dev/null | base64 -d 2>/dev/null | base64 -w 70
        echo '-----END SSH SIGNATURE-----'
    } | cmp -s - "$3" || no "$3" "is not in the form that ssh-keygen writes"
    # ssh-keygen takes version 0 for 1 and does not look into the reserved field: both are checked here
    case $(sed '1d;$d' "$3" 2>/dev/null | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n') in
    535348534947000000010000*"$5"0000000000000006736861*) ;;
    *) no "$3" "is not in the form that ssh-keygen writes" ;;
    esac
    signer=$(ssh-keygen -Y find-principals -s "$3" -f "$trust/allowed_signers" -O "verify-time=$when" 2>/dev/null | head -n 1)
    set -- "$1" "$2" "$3" "$4"
    [ -s "$trust/revoked" ] && set -- "$@" -r "$trust/revoked"
    file=$1 read=$2 over=$3 namespace=$4
    shift 4
    if [ -z "$signer" ]; then
        no "$over" "is signed by a key that is not among the allowed signers"
    elif ! ssh-keygen -Y verify -f "$trust/allowed_signers" -I "$signer" -n "$namespace" -s "$over" \
        -O "verify-time=$when" "$@" <"$read" >/dev/null 2>&1; then
        no "$over" "does not verify for $signer, or its key is revoked"
        no "$file" "may differ from what $signer signed"
    elif [ "$(text_of who "$asks")" != "$signer" ]; then
        no "$asks" "names another person than $signer, who signed"
    fi
}
asks=custody/request.json
cp custody/request.json "$work/request" 2>/dev/null || : >"$work/request"
signed custody/request.json "$work/request" custody/request.json.sig noisewatch-access 6e6f69736577617463682d616363657373
signed tagmanifest-sha256.txt "$work/tagmanifest-sha256.txt" "$sig" noisewatch-package 6e6f69736577617463682d7061636b616765
officer=$signer
approver=
if [ -f data/original.mp4 ] && [ -f custody/approval.json ] && [ -f custody/approval.json.sig ]; then
    # a supervisor's namespace: no officer's key is allowed for it
    asks=custody/approval.json when=$(text_of at custody/approval.json | tr -cd 0-9 | cut -c1-14)
    cp custody/approval.json "$work/approval"
    signed "$asks" "$work/approval" custody/approval.json.sig noisewatch-approve 6e6f69736577617463682d617070726f7665
    approver=$signer
    [ "$(text_of action "$asks")" = approval ] && [ "$(text_of target "$asks")" = "$(text_of target custody/request.json)" ] ||
        no "$asks" "approves something else than this original"
    [ "$(text_of custody "$asks")" = "$(text_of custody custody/request.json)" ] || no "$asks" "is of another custody"
    [ "$approver" != "$officer" ] || no "$asks" "is by the officer who exported"
    asked=$(text_of at custody/request.json | tr -cd 0-9 | cut -c1-14)
    [ "${when:-0}" -le "${asked:-0}" ] || no custody/request.json "is older than the approval that it needs"
fi

# The time stamp over that signature, where there is one.
tsr=tagmanifest-sha256.txt.tsr
stamped=
now=$(date -u +%s)
seen=$now
carried() {
    # openssl looks at no certificate in a stamp that it does not need: each must lead to the root too
    openssl ts -reply -in "$tsr" -token_out -out "$work/token" 2>/dev/null || return 1
    openssl pkcs7 -inform DER -in "$work/token" -print_certs -out "$work/carried" 2>/dev/null || return 1
    rm -f "$work"/one.*
    awk -v to="$work/one." '/-BEGIN/ { n++ } n { print >(to n) }' "$work/carried"
    for one in "$work"/one.*; do
        [ -f "$one" ] || continue
        openssl verify -CAfile "$trust/tsa.pem" -untrusted "$work/carried" -attime "$at" "$one" >/dev/null 2>&1 || return 1
    done
}
if [ -f "$tsr" ]; then
    said=$(openssl ts -reply -in "$tsr" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
    at=$(date -u -d "$said" +%s 2>/dev/null || echo 0)
    asked=$(date -u -d "$(text_of at custody/request.json)" +%s 2>/dev/null || echo 0)
    if [ ! -s "$trust/tsa.pem" ] || [ ! -f keys/tsa.pem ]; then
        no "$tsr" "is by a stamp authority that is not trusted here"
    elif ! openssl ts -verify -data "$sig" -in "$tsr" -CAfile "$trust/tsa.pem" -attime "$at" >/dev/null 2>&1; then
        no "$tsr" "is not a stamp over this signature by the authority that is trusted"
    elif ! carried; then
        no "$tsr" "is not a stamp over this signature by the authority that is trusted"
    elif [ "$asked" -gt $((at + 300)) ]; then
        no custody/request.json "claims a time after its stamp of $said"
    fi
    [ "$at" -gt 0 ] && [ "$at" -lt "$now" ] && seen=$at
    stamped=$said
elif [ -f keys/tsa.pem ]; then
    stamped=pending
fi

# 4. The box's signature over the event record.
day=$(text_of sealed_day data/event.json)
epoch=$(date -u -d "$day 23:59:59" +%s 2>/dev/null || echo 0)
if openssl cms -verify -binary -inform DER -in data/event.json.p7s -content data/event.json \
    -CAfile "$trust/ca.pem" -no-CApath -no-CAstore -purpose any -attime "$epoch" \
    -signer "$work/node.pem" -out /dev/null 2>/dev/null; then
    node=$(openssl x509 -in "$work/node.pem" -noout -subject -nameopt RFC2253 | sed 's/^subject=//')
    case ",$node," in
    *",OU=noisewatch node,"*) ;;
    *) no data/event.json.p7s "is signed with a certificate that is not a box's" ;;
    esac
    print=$(openssl x509 -in "$work/node.pem" -noout -fingerprint -sha256 | sed 's/.*=//' | tr -d : | tr A-F a-f)
    since=$(sed -n "s/^$print \\([0-9-]*\\).*/\\1/p" "$trust/revoked_nodes" 2>/dev/null | sort | head -n 1)
    if [ -n "$since" ] && [ "$(printf '%s\n%s\n' "$since" "$day" | sort | head -n 1)" = "$since" ]; then
        no data/event.json.p7s "is signed by a box that was revoked by that day"
    fi
    for certificate in "$work/node.pem" "$trust/ca.pem"; do
        ends=$(openssl x509 -in "$certificate" -noout -enddate | cut -d= -f2)
        [ "$seen" -le "$(date -u -d "$ends" +%s)" ] ||
            no data/event.json.p7s "is by a certificate that expired on $ends; a time stamp from before is needed"
    done
else
    no data/event.json.p7s "does not verify with this certificate authority"
    node=
fi

# 5. The parts belong to this event, and the clip is a clip.
of_event() {
    sum=$(sha256sum <"$2" 2>/dev/null | cut -c1-64)
    grep -aqF "\"name\":\"$1\",\"sha256\":\"$sum\",\"size_bytes\":" data/event.json 2>/dev/null ||
        no "$2" "is not the part that the event record names $1"
}
of_event "$part" "data/$clip.mp4"
of_event levels data/levels.csv
if [ -f data/signature/SHA256SUMS ]; then
    sum=$(sha256sum <data/signature/SHA256SUMS | cut -c1-64)
    grep -aqF "\"signature_sha256\":\"$sum\"" data/event.json 2>/dev/null ||
        no data/signature/SHA256SUMS "is not the list of the signature that the event record names"
    for name in card.md signature.toml; do
        [ -f "data/signature/$name" ] || continue
        grep -aqxF "$(sha256sum <"data/signature/$name" | cut -c1-64)  $name" data/signature/SHA256SUMS ||
            no "data/signature/$name" "is not the file of the signature that the event record names"
    done
fi
if [ -f data/calibration/record.json ]; then
    sum=$(sha256sum <data/calibration/record.json | cut -c1-64)
    grep -aqF "\"record_sha256\":\"$sum\"" data/event.json 2>/dev/null ||
        no data/calibration/record.json "is not the calibration that the event record names"
    epoch=$(date -u -d "$(text_of when data/calibration/record.json)" +%s 2>/dev/null || echo 0)
    if openssl cms -verify -binary -inform DER -in data/calibration/record.json.p7s \
        -content data/calibration/record.json -CAfile "$trust/ca.pem" -no-CApath -no-CAstore -purpose any \
        -attime "$epoch" -signer "$work/node.pem" -out /dev/null 2>/dev/null; then
        case ",$(openssl x509 -in "$work/node.pem" -noout -subject -nameopt RFC2253 | sed 's/^subject=//')," in
        *",OU=noisewatch node,"*) ;;
        *) no data/calibration/record.json.p7s "is signed with a certificate that is not a box's" ;;
        esac
    else
        no data/calibration/record.json.p7s "does not verify with this certificate authority"
    fi
fi
if grep -aqF '"is_full":true' data/event.json 2>/dev/null; then
    facts=$(ffprobe -v error -show_entries stream=codec_type:format=duration -of csv=p=0 "data/$clip.mp4" 2>/dev/null | tr '\n' ' ')
    case " $facts " in *" video "*) ;; *) no "data/$clip.mp4" "has no picture" ;; esac
    case " $facts " in *" audio "*) ;; *) no "data/$clip.mp4" "has no sound" ;; esac
    case " $facts " in *" 10.000"*) ;; *) no "data/$clip.mp4" "does not last 10.000 s" ;; esac
fi

if [ "$bad" -ne 0 ]; then
    echo "REFUSED: this package is not as it was signed, or not signed by whom you trust"
    exit 1
fi
if [ "$trust" = "$(pwd)/keys" ]; then
    echo "intact, origin NOT checked"
    echo "the package's own keys were used: ask the municipality for its trust folder"
else
    echo "intact, origin verified"
fi
echo "recorded by: $node"
echo "exported by: $officer"
[ -n "$approver" ] && echo "approved by: $approver"
[ -n "$stamped" ] && echo "time stamp:  $stamped"
grep -aqF '"is_trial":true' data/event.json && echo "TRIAL: made with throw-away keys; worth nothing as evidence"
grep -aqF '"is_evidence":true' data/event.json || echo "NOT EVIDENCE: the event record says so itself"
exit 0
