// Two personal touches for pages that everybody shares, so neither may be in the HTML:
// the number of things in the basket (from its cookie, which is readable on purpose; where a gateway assembles the page, the header
// came with it), and how long this visitor waited.
"use strict";

(() => {
  const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("basket="));
  const counts = (cookie ?? "").slice("basket=".length).match(/\.\d+(?=~|$)/g) ?? [];
  const total = counts.reduce((sum, count) => sum + Number(count.slice(1)), 0);
  const badge = document.querySelector("[data-basket-count]");
  if (badge?.hidden && total > 0) {
    badge.textContent = String(total);
    badge.hidden = false;
    badge.parentElement.setAttribute("aria-label", `Basket, ${total} ${total === 1 ? "thing" : "things"}`);
  }

  // On a narrow screen the shelf we stand at may be off to the right.
  document.querySelector(".shelves [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

  const [visit] = performance.getEntriesByType("navigation");
  const shop = visit?.serverTiming?.find((entry) => entry.name === "shop");
  const note = document.querySelector("[data-timing]");
  if (visit && shop && note) {
    // A cache keeps the Server-Timing field with the page: so the first figure is what the page cost once, the second what it cost you.
    const waited = visit.responseStart - visit.requestStart;
    note.textContent = `This page took the shop ${Math.round(shop.duration)} ms. You waited ${waited < 10 ? waited.toFixed(1) : Math.round(waited)} ms for it.`;
  }
})();
