// The page: what is shown at which address.

import { Confirmation } from "./confirm.js";
import { Header } from "./header.js";
import { Component, html, render } from "./html.js";
import { Later } from "./later.js";
import { live } from "./live.js";
import { Notices } from "./notice.js";
import { Overview } from "./overview.js";
import { current } from "./route.js";
import { whenStranger } from "./rpc.js";
import { SignIn } from "./sign-in.js";
import { shown } from "./text.js";

const Tasks = () => import("./tasks.js").then((module) => module.Tasks);
const TaskView = () => import("./task.js").then((module) => module.TaskView);
const QueueForm = () => import("./queue.js").then((module) => module.QueueForm);

class App extends Component {
  state = { route: current(), stranger: false };

  componentDidMount() {
    addEventListener("hashchange", () => this.#moved());
    whenStranger(() => this.setState({ stranger: true }));
    live.start();
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
        left=${() => this.setState({ stranger: true })}
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
  if (place === "") return html`<${Overview} />`;
  if (place === "tasks" && id) return html`<${Later} key=${`task ${id}`} view=${TaskView} id=${id} />`;
  if (place === "tasks") return html`<${Later} key="tasks" view=${Tasks} params=${params} />`;
  if (place === "queue") return html`<${Later} key="queue" view=${QueueForm} />`;
  return html`<section class="nothing">
    <h1>Nothing here</h1>
    <p><a href="#/">Overview</a></p>
  </section>`;
}

render(html`<${App} />`, document.body);
