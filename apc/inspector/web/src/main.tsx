/** The page's entry: the shell around the view that the route names. */

import { render } from "preact";

import { Shell } from "./components/Shell";
import "./debug";
import { openSummary } from "./payload";
import { followHash } from "./state";

const root = document.getElementById("apc-app") ?? document.body.appendChild(document.createElement("div"));
openSummary().then(
  () => {
    followHash();
    render(<Shell />, root);
  },
  (problem: unknown) => {
    root.textContent = `This report is damaged: ${String(problem)}`;
  },
);
