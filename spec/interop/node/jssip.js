// JsSIP without a browser: registers, calls and is called, and says what happens, a line
// each.  There is no WebRTC here: a connection that is none gives a fixed description.
//
// Usage: node jssip.js URL URI PASSWORD [WHEN=THEN...]; see page.js
// Verbs: "call URI", "info TEXT", "message URI TEXT", "hangup" or "stop".
"use strict";

const page = require("./page.js");
const JsSIP = (() => {
  globalThis.window = globalThis;
  return require("jssip");
})();

const [url, uri, password, ...words] = process.argv.slice(2);

globalThis.RTCPeerConnection = class extends EventTarget {
  constructor() {
    super();
    this.iceGatheringState = "complete";
    this.iceConnectionState = "connected";
    this.signalingState = "stable";
  }
  createOffer() { return Promise.resolve({ type: "offer", sdp: page.SDP }); }
  createAnswer() { return Promise.resolve({ type: "answer", sdp: page.SDP }); }
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

const say = page.plan(words, {
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
});

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
