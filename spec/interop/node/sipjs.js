// SIP.js without a browser: registers, calls and is called, and says what happens, a line
// each.
//
// Usage: node sipjs.js URL URI PASSWORD [WHEN=THEN...]; see page.js
// Verbs: "call URI", "info TEXT", "message URI TEXT", "refresh" (a re-INVITE), "hangup"
// or "stop".
"use strict";

const { pathToFileURL } = require("url");
const page = require("./page.js");

const [url, uri, password, ...words] = process.argv.slice(2);

// Instead of WebRTC.
const description = {
  close() {},
  getDescription: async () => ({ body: page.SDP, contentType: "application/sdp" }),
  hasDescription: (type) => type === "application/sdp",
  setDescription: async () => {},
  sendDtmf: () => false,
};

async function main() {
  const SIP = await import(pathToFileURL(require.resolve("sip.js")));
  const address = (text) => SIP.UserAgent.makeURI(text);
  let current;

  const say = page.plan(words, {
    call(target) {
      const inviter = new SIP.Inviter(ua, address(target));
      follow(inviter);
      inviter.invite({ requestDelegate: {
        onProgress: (response) => response.message.statusCode > 100 && say("progress"),
        onReject: (response) => say("rejected", response.message.statusCode),
      } });
    },
    info(text) {
      current.info({
        requestOptions: { body: { contentDisposition: "render",
          contentType: "text/plain", content: text } },
        requestDelegate: { onAccept: () => say("answered", text) },
      });
    },
    message(rest) {
      const [target, ...text] = rest.split(" ");
      new SIP.Messager(ua, address(target), text.join(" ")).message({
        requestDelegate: {
          onAccept: () => say("message answered"),
          onReject: (response) => say("message failed", response.message.statusCode),
        } });
    },
    refresh() {
      current.invite({ requestDelegate: { onAccept: () => say("refreshed") } });
    },
    hangup() { current.bye(); },
    stop() { ua.stop(); },
  });

  function follow(session) {
    current = session;
    session.delegate = {
      onInfo(info) {
        say("info", info.request.body);
        info.accept();
      },
      onBye: (bye) => {
        bye.accept();
        say("hung up");
      },
    };
    session.stateChange.addListener((state) => {
      if (state === SIP.SessionState.Established) {
        say("confirmed");
      } else if (state === SIP.SessionState.Terminated) {
        say("ended");
      }
    });
  }

  const ua = new SIP.UserAgent({
    uri: address(uri),
    authorizationUsername: address(uri).user,
    authorizationPassword: password,
    transportOptions: { server: url },
    sessionDescriptionHandlerFactory: () => description,
    logBuiltinEnabled: Boolean(process.env.TRACE),
    delegate: {
      onConnect: () => say("connected"),
      onDisconnect: () => say("disconnected"),
      onInvite(invitation) {
        say("called by", invitation.remoteIdentity.uri.user);
        follow(invitation);
        invitation.accept();
      },
      onMessage(message) {
        say("message", message.request.body);
        message.accept();
      },
    },
  });

  const registerer = new SIP.Registerer(ua, { expires: 120 });
  registerer.stateChange.addListener((state) => {
    if (state === SIP.RegistererState.Registered) {
      say("registered");
    } else if (state === SIP.RegistererState.Unregistered) {
      say("unregistered");
    }
  });
  await ua.start();
  await registerer.register({ requestDelegate: {
    onReject: (response) => say("registration failed", response.message.statusCode),
  } });
}

main();
