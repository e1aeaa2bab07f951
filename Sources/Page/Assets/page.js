// What the page does beyond plain links and forms: the slider, buttons that copy, and keys. Everything here is extra.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const view = document.getElementById("view");

  // Copies what stands beside the button.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  });

  // Forms that need no button.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  // Empty fields do not belong in addresses.
  document.addEventListener("submit", (event) => {
    for (const field of event.target.elements) {
      if (field.name && field.value === "") field.disabled = true;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const follow = (selector) => {
      const link = document.querySelector(selector);
      if (!link) return;
      event.preventDefault();
      link.click();
    };
    if (event.key === "/") {
      event.preventDefault();
      document.querySelector(".search input")?.focus();
    } else if (event.key === "[") follow("a[data-step=back]");
    else if (event.key === "]") follow("a[data-step=on]");
    else if (event.key === "u") follow("a[data-step=up]");
  });

  const rail = document.querySelector(".rail[data-first]");
  if (!rail || !view) return;
  const first = Number(rail.dataset.first);
  const last = Number(rail.dataset.last);
  const horizon = Number(rail.dataset.horizon);
  const stops = (rail.dataset.stops || "").split(" ").filter(Boolean).map((stop) => {
    const [time, name] = stop.split("=");
    return { time: Number(time), name };
  });
  const title = document.getElementById("moment");
  const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });

  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = String(first);
  slider.max = String(last);
  // An arrow key is a day, or what of a day such a short time has.
  slider.step = "1";
  slider.value = rail.dataset.now;
  slider.setAttribute("aria-label", "Date");
  rail.append(slider);
  const stride = Math.max(1, Math.min(86400, Math.round((last - first) / 200)));

  const words = (time) => `${days.format(new Date(time * 1000))}, ${hours.format(new Date(time * 1000))} UTC`;
  const nearest = (time) => stops.reduce((best, stop) =>
    best && Math.abs(best.time - time) <= Math.abs(stop.time - time) ? best : stop, null);

  // What a place on the rail stands for: a snapshot that is near, else the instant.
  const meant = (time, isCoarse) => {
    const stop = nearest(time);
    const reach = isCoarse ? (last - first) / 150 : 0;
    if (time >= last - reach) return { at: "latest", time: last };
    if (stop && (Math.abs(stop.time - time) <= reach || time < horizon)) return { at: stop.name, time: stop.time };
    return { at: new Date(time * 1000).toISOString().replace(".000Z", "Z"), time };
  };

  let running = null;
  let wanted = null;
  let isPointer = false;

  const address = (at, isPart) => {
    const url = new URL(location.href);
    url.searchParams.delete("after");
    url.searchParams.delete("part");
    if (at === "latest" && !rail.dataset.home) url.searchParams.delete("at"); else url.searchParams.set("at", at);
    if (isPart) url.searchParams.set("part", isPart);
    return url;
  };

  const show = async (choice, isLast) => {
    wanted = { choice, isLast };
    // One request at a time: the newest wish waits, those before it are dropped.
    if (running) return;
    while (wanted) {
      const { choice: now, isLast: isFinal } = wanted;
      wanted = null;
      running = true;
      const before = new Set([...view.querySelectorAll("tr[data-name]")].map((row) => row.dataset.name));
      try {
        const answer = await fetch(address(now.at, isFinal ? "full" : "quick"), { headers: { accept: "text/html" } });
        const text = await answer.text();
        if (answer.headers.get("content-type")?.startsWith("text/html")) {
          // The server has escaped every name; scripts would not run here in any case.
          view.innerHTML = text;
          if (before.size) {
            for (const row of view.querySelectorAll("tr[data-name]")) {
              if (!before.has(row.dataset.name)) row.classList.add("fresh");
            }
          }
          if (isFinal) history.replaceState(null, "", address(now.at, null));
        }
      } catch {
        // The server is gone, or restarts: the next move tries again.
      }
      running = null;
    }
    view.classList.remove("busy");
  };

  const say = (choice) => {
    title.textContent = words(choice.time);
    slider.setAttribute("aria-valuetext", words(choice.time));
  };
  slider.setAttribute("aria-valuetext", words(Number(slider.value)));

  slider.addEventListener("pointerdown", () => { isPointer = true; });
  slider.addEventListener("pointerup", () => { isPointer = false; });
  slider.addEventListener("input", () => {
    const choice = meant(Number(slider.value), isPointer);
    say(choice);
    show(choice, false);
  });
  slider.addEventListener("change", () => {
    const choice = meant(Number(slider.value), isPointer);
    if (isPointer || choice.at !== "latest") slider.value = String(choice.time);
    say(choice);
    show(choice, true).then(() => refresh());
  });
  slider.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -30, PageUp: 30 }[event.key];
    if (!steps) return;
    event.preventDefault();
    slider.value = String(Math.min(last, Math.max(first, Number(slider.value) + steps * stride)));
    slider.dispatchEvent(new Event("input"));
    clearTimeout(slider.settle);
    slider.settle = setTimeout(() => slider.dispatchEvent(new Event("change")), 350);
  });

  // The rest of the panel, such as the steps, follows when the slider rests.
  const refresh = async () => {
    try {
      const answer = await fetch(address(new URL(location.href).searchParams.get("at") || rail.dataset.home || "latest", null));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["steps", "dates", "kind", "top-search"]) {
        const [now, next] = [document.getElementById(id), page.getElementById(id)];
        if (now && next) now.replaceWith(document.adoptNode(next));
      }
      document.title = page.title || document.title;
    } catch {
      // As above.
    }
  };
})();
