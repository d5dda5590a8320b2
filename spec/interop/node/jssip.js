// JsSIP without a browser: registers, calls and is called, and says what happens, a line
// each.  There is no WebRTC here: a connection that is none gives a fixed description.
//
// Usage: node jssip.js URL URI PASSWORD [WHEN=THEN...]
// The first time that it says WHEN, it does THEN: "call URI", "info TEXT", "message URI
// TEXT", "hangup" or "stop".  ORIGIN: of its page; CA: whom it trusts.
"use strict";

const fs = require("fs");
const JsSIP = (() => {
  globalThis.window = globalThis;
  return require("jssip");
})();
const WebSocket = require("ws");

const [url, uri, password, ...words] = process.argv.slice(2);
const plans = words.map((word) => word.match(/^(.*?)=(.*)$/).slice(1));

const SDP = [
  "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
  "m=audio 45678 RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000",
  "a=rtpmap:101 telephone-event/8000", "a=sendrecv", "",
].join("\r\n");

// As a page of the same host would open it, or of the host that is named.
globalThis.WebSocket = class extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, {
      origin: process.env.ORIGIN || "https://127.0.0.1",
      ca: process.env.CA && fs.readFileSync(process.env.CA),
    });
  }
};

globalThis.RTCPeerConnection = class extends EventTarget {
  constructor() {
    super();
    this.iceGatheringState = "complete";
    this.iceConnectionState = "connected";
    this.signalingState = "stable";
  }
  createOffer() { return Promise.resolve({ type: "offer", sdp: SDP }); }
  createAnswer() { return Promise.resolve({ type: "answer", sdp: SDP }); }
  setLocalDescription(description) {
    this.localDescription = description;
    return Promise.resolve();
  }
  setRemoteDescription(description) {
    this.remoteDescription = description;
    return Promise.resolve();
  }
  addTrack() {}
  getSenders() { return []; }
  close() {}
};
globalThis.RTCSessionDescription = class {
  constructor(init) { Object.assign(this, init); }
};

if (process.env.TRACE) {
  JsSIP.debug.enable("JsSIP:*");
}

const stream = { getTracks: () => [], getAudioTracks: () => [], getVideoTracks: () => [] };
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri, password, register: true, register_expires: 120,
});
let current;

const verbs = {
  call(target) { follow(ua.call(target, { mediaStream: stream })); },
  info(text) { current.sendInfo("text/plain", text); },
  message(rest) {
    const [target, ...text] = rest.split(" ");
    ua.sendMessage(target, text.join(" "), { eventHandlers: {
      succeeded: () => say("message answered"),
      failed: (event) => say("message failed", event.cause),
    } });
  },
  hangup() { current.terminate(); },
  stop() { ua.stop(); },
};

function say(...said) {
  const text = said.join(" ");
  console.log(text);
  const at = plans.findIndex(([when]) => text.startsWith(when));
  if (at >= 0) {
    const [[, then]] = plans.splice(at, 1);
    const [verb] = then.split(" ", 1);
    setImmediate(() => verbs[verb](then.slice(verb.length + 1)));
  }
}

function follow(session) {
  current = session;
  session.on("progress", () => say("progress"));
  session.on("confirmed", () => say("confirmed"));
  session.on("failed", (event) => say("failed", event.cause));
  session.on("ended", (event) => say("ended", event.originator, event.cause));
  session.on("newInfo", (event) => {
    if (event.originator === "remote") {
      say("info", event.info.body);
    } else {
      event.info.on("succeeded", () => say("answered", event.info.body));
    }
  });
}

ua.on("connected", () => say("connected"));
ua.on("disconnected", (event) => say("disconnected", event.code));
ua.on("registered", () => say("registered"));
ua.on("unregistered", () => say("unregistered"));
ua.on("registrationFailed", (event) => say("registration failed", event.cause));
ua.on("newRTCSession", ({ session, originator }) => {
  if (originator === "remote") {
    say("called by", session.remote_identity.uri.user);
    follow(session);
    session.answer({ mediaStream: stream });
  }
});
ua.on("newMessage", ({ originator, request }) => {
  if (originator === "remote") {
    say("message", request.body);
  }
});
ua.start();
