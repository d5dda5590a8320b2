// Asks a STUN server where it is seen, without a fingerprint and with one: node stun.js
// PORT.  The library checks the transaction of the answer and its fingerprint.
"use strict";

const dgram = require("dgram");
const stun = require("stun");

const { STUN_BINDING_REQUEST, STUN_EVENT_BINDING_RESPONSE } = stun.constants;

function ask(request, done) {
  const socket = dgram.createSocket("udp4");
  const client = stun.createServer({ type: "udp4", socket });

  client.once(STUN_EVENT_BINDING_RESPONSE, (answer) => {
    const at = answer.getXorAddress();
    const mine = at.port === socket.address().port;
    console.log(`seen at ${at.address}, ${mine ? "my" : "another"} port`);
    socket.close();
    done();
  });
  socket.bind(0, "127.0.0.1", () => {
    client.send(request, Number(process.argv[2]), "127.0.0.1");
  });
}

const plain = stun.createMessage(STUN_BINDING_REQUEST);
const sealed = stun.createMessage(STUN_BINDING_REQUEST);

sealed.addFingerprint();
ask(plain, () => ask(sealed, () => {}));
