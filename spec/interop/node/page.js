// What the pages here have in common: no browser and no WebRTC, but a WebSocket that says
// an origin, a fixed description, and a plan of what to do when something has happened.
//
// ORIGIN: of the page; CA: whom it trusts.
"use strict";

const fs = require("fs");
const WebSocket = require("ws");

// As a page of the same host would open it, or of the host that is named.
globalThis.WebSocket = class extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, {
      origin: process.env.ORIGIN || "https://127.0.0.1",
      ca: process.env.CA && fs.readFileSync(process.env.CA),
    });
  }
};

exports.SDP = [
  "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
  "m=audio 45678 RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000",
  "a=rtpmap:101 telephone-event/8000", "a=sendrecv", "",
].join("\r\n");

// `words` are WHEN=THEN. The first time that it says WHEN, it does THEN: a verb and what
// is behind it. Gives what says something, a line each.
exports.plan = (words, verbs) => {
  const plans = words.map((word) => word.match(/^(.*?)=(.*)$/).slice(1));

  return (...said) => {
    const text = said.join(" ");
    console.log(text);
    const at = plans.findIndex(([when]) => text.startsWith(when));
    if (at >= 0) {
      const [[, then]] = plans.splice(at, 1);
      const [verb] = then.split(" ", 1);
      setImmediate(() => verbs[verb](then.slice(verb.length + 1)));
    }
  };
};
