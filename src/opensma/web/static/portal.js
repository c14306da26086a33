// Progressive enhancement only: every link and form below works without this file.
// Parts marked data-live are fetched from the same address and put in place without a reload.

let latest = 0;

async function show(part, address, keep) {
  const turn = ++latest;
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) { location.assign(address); return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(part.id);
  if (turn !== latest || !fresh) return;
  const focused = keep && document.activeElement;
  const name = focused && part.contains(focused) ? focused.name : "";
  if (name && focused.type === "search") {
    // The field being typed in stays as it is: only what depends on it is replaced.
    for (const selector of [".count", ".scroll", ".pager"]) swap(part, fresh, selector);
  } else {
    part.replaceChildren(...fresh.childNodes);
    if (name) part.querySelector(`[name="${name}"]`)?.focus();
  }
  history.replaceState(null, "", address);
}

function swap(part, fresh, selector) {
  const old = part.querySelector(`:scope > ${selector}`);
  const now = fresh.querySelector(`:scope > ${selector}`);
  if (old && now) {
    // A status region speaks when its text changes, so the region itself stays.
    if (selector === ".count") old.replaceChildren(...now.childNodes);
    else old.replaceWith(now);
  } else if (old) old.remove();
  else if (now) part.append(now);
}

function addressOf(form) {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) asked.append(name, value);
  const query = asked.toString();
  return form.action.split("#")[0].split("?")[0] + (query ? `?${query}` : "");
}

let typing;
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-live] form");
  if (!form) return;
  clearTimeout(typing);
  const wait = event.target.type === "search" ? 150 : 0;
  typing = setTimeout(() => show(form.closest("[data-live]"), addressOf(form), true), wait);
});

document.addEventListener("submit", (event) => {
  const part = event.target.closest("[data-live]");
  if (!part) return;
  event.preventDefault();
  show(part, addressOf(event.target), true);
});

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const toggle = event.target.closest("a[data-lots]");
  if (toggle) { event.preventDefault(); lots(toggle); return; }
  const link = event.target.closest("[data-live] thead a, [data-live] .pager a, [data-live] .picks a");
  if (!link) return;
  event.preventDefault();
  const part = link.closest("[data-live]");
  const place = [...part.querySelectorAll("a")].indexOf(link);
  show(part, link.href, false).then(() => part.querySelectorAll("a")[place]?.focus({ preventScroll: true }));
});

async function lots(toggle) {
  const row = toggle.closest("tr");
  const open = toggle.getAttribute("aria-expanded") === "true";
  toggle.setAttribute("aria-expanded", open ? "false" : "true");
  toggle.querySelector(".sr").textContent = open ? "Open " : "Close ";
  if (open) { row.nextElementSibling?.remove(); return; }
  const answer = await fetch(toggle.dataset.lots);
  if (!answer.ok) { location.assign(toggle.href); return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const opened = document.createElement("tr");
  opened.className = "opened";
  const cell = opened.insertCell();
  cell.colSpan = row.cells.length;
  cell.append(page.querySelector("table"));
  if (toggle.getAttribute("aria-expanded") === "true") row.after(opened);
}
