# The anchor's work, and each nation's joining, for compose.federation.yaml: /ee and /pt are the nations' folders, this one is
# the anchor's. Done again it changes nothing but the file of the mirror, which is written anew.
list=federation-europe

if [ ! -s "$list/federation.json" ]; then
  [ -s "$list/draft.json" ] || testamur federation init europe
  testamur federation add-node /ee/node.json # elsewhere its people confirm the key by another way first
  testamur federation add-node /pt/node.json
  testamur federation sign
fi

for node in ee pt; do
  testamur federation join "$list" --node "$node" --home "/$node"
  testamur mirror config --node "$node" --home "/$node" --only-into "$node" \
    --cluster ee=ee-kafka:9192 --cluster pt=pt-kafka:9292 >"/$node/mirror.properties"
done
