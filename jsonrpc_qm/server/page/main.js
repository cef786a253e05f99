// The page: what is shown at which address.

import { Confirmation } from "./confirm.js";
import { Header } from "./header.js";
import { Component, html, render } from "./html.js";
import { live } from "./live.js";
import { Notices } from "./notice.js";
import { Overview } from "./overview.js";
import { isOpen, openPlaces } from "./places.js";
import { QueueForm } from "./queue.js";
import { current } from "./route.js";
import { whenStranger } from "./rpc.js";
import { SignIn, role } from "./sign-in.js";
import { TaskView } from "./task.js";
import { Tasks } from "./tasks.js";
import { shown } from "./text.js";

class App extends Component {
  state = { route: current(), stranger: false };

  componentDidMount() {
    addEventListener("hashchange", () => this.#moved());
    whenStranger(() => this.#strange());
    live.start();
  }

  #strange() {
    live.stop();
    this.setState({ stranger: true });
  }

  #moved() {
    const route = current();
    if (route.parts.join("/") !== this.state.route.parts.join("/")) scrollTo(0, 0);
    this.setState({ route });
  }

  #signedIn() {
    this.setState({ stranger: false });
    live.restart();
  }

  render(_, { route, stranger }) {
    const [place = ""] = route.parts;
    const where = route.parts.map(shown).reverse().join(" · ");
    document.title = `${where || "overview"} · jsonrpc-qm`;
    return html`
      <${Header}
        place=${place}
        stranger=${stranger}
        left=${() => this.#strange()}
      />
      <main>
        ${stranger
          ? html`<${SignIn} done=${() => this.#signedIn()} />`
          : html`<${View} ...${route} />`}
      </main>
      <${Notices} />
      <${Confirmation} />
    `;
  }
}

function View({ parts, params }) {
  const [place = "", id] = parts;
  if (!isOpen(parts)) return html`<${NotForThisToken} />`;
  if (place === "") return html`<${Overview} />`;
  if (place === "tasks" && id) return html`<${TaskView} key=${`task ${id}`} id=${id} />`;
  if (place === "tasks") return html`<${Tasks} params=${params} />`;
  if (place === "queue") return html`<${QueueForm} />`;
  return html`<section class="nothing">
    <h1>Nothing here</h1>
    <p><a href="#/">Overview</a></p>
  </section>`;
}

function NotForThisToken() {
  const [other] = openPlaces();
  return html`<section class="nothing">
    <h1>Your token does not show this</h1>
    <p>It is one of the role ${role()}.</p>
    ${other && html`<p><a href=${other.address}>${other.title}</a></p>`}
  </section>`;
}

render(html`<${App} />`, document.body);
