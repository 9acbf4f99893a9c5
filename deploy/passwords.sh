# Writes the secrets of compose.secured.yaml, new ones, into a file that only its owner may read: `sh passwords.sh .env`, once.
# A file that is there is left alone: the engines and the node's keys already go by what it says.
set -eu
umask 077
set -C # nothing is written over

secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

{
  for engine in KAFKA MONGO; do
    for who in ADMIN REGISTRY ISSUER VERIFIER NOTIFIER; do
      echo "${engine}_${who}_PASSWORD=$(secret)"
    done
  done
  echo "MONGO_MEMBER_KEY=$(secret)"
  echo "TESTAMUR_KEY_PASSPHRASE=$(secret)"
} >"${1:?name the file, such as .env}"
