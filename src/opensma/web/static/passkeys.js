// Passkeys, where the browser has them; everything else on these pages works without this file.
const bytes = (text) => {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
};
const words = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const post = async (address, csrf, body) => {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error || "That did not work.");
  return document;
};

const described = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

const make = async (csrf, place, more) => {
  const { options, challenge } = await post(`${place}/options`, csrf, more);
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: described(options.excludeCredentials),
    },
  });
  const answer = {
    id: made.id, rawId: words(made.rawId), type: made.type,
    response: {
      clientDataJSON: words(made.response.clientDataJSON),
      attestationObject: words(made.response.attestationObject),
    },
  };
  return post(place, csrf, { ...more, challenge, answer });
};

const use = async (csrf, goal) => {
  const { options, challenge } = await post("/sign-in/passkey/options", csrf, {});
  const used = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: described(options.allowCredentials),
    },
  });
  const response = used.response;
  const answer = {
    id: used.id, rawId: words(used.rawId), type: used.type,
    response: {
      clientDataJSON: words(response.clientDataJSON),
      authenticatorData: words(response.authenticatorData),
      signature: words(response.signature),
      userHandle: response.userHandle ? words(response.userHandle) : null,
    },
  };
  return post("/sign-in/passkey", csrf, { challenge, answer, next: goal });
};

const ready = (place, work) => {
  if (!place || !window.PublicKeyCredential) return;
  place.hidden = false;
  const said = place.querySelector("[role=status]");
  place.querySelector("button").addEventListener("click", async () => {
    said.textContent = "Waiting for your device …";
    try {
      const { next } = await work(place.dataset);
      window.location.assign(next);
    } catch (error) {
      said.textContent = error.message;
    }
  });
};

ready(document.querySelector("[data-passkey]"), (data) => use(data.csrf, data.goal));
ready(document.querySelector("[data-add-passkey]"), (data) => make(data.csrf, "/me/passkeys", {}));
ready(document.querySelector("[data-invited-passkey]"), (data) =>
  make("", "/invitation/passkey", { word: data.word }));

// An invitation's link carries its word behind the #, which no server and no log sees.
const form = document.querySelector("[data-invitation]");
if (form && window.location.hash.length > 1) {
  form.querySelector("[name=word]").value = decodeURIComponent(window.location.hash.slice(1));
  history.replaceState(null, "", window.location.pathname);
}
