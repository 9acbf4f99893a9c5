# Prints the secrets of compose.secured.yaml, new ones each time, as lines for deploy/.env: `sh passwords.sh >.env`, once.
set -eu
umask 077

secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

for engine in KAFKA MONGO; do
  for who in ADMIN REGISTRY ISSUER VERIFIER NOTIFIER; do
    echo "${engine}_${who}_PASSWORD=$(secret)"
  done
done
echo "MONGO_MEMBER_KEY=$(secret)"
