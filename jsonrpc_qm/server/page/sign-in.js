// Who the manager does not know says who he is.

import { Component, html } from "./html.js";
import { signIn, signOut } from "./rpc.js";

const KEY = "jsonrpc-qm.role"; // the cookie itself is out of this page's reach

// The role of the token that this browser has signed in with; null where none was asked for.
export function role() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

// Whether it makes sense to offer what only these roles may do; the manager decides.
export function isFor(...roles) {
  return role() === null || role() === "admin" || roles.includes(role());
}

function remember(role) {
  try {
    role ? localStorage.setItem(KEY, role) : localStorage.removeItem(KEY);
  } catch {
    // Then there is no button to sign out.
  }
}

export async function leave() {
  await signOut();
  remember(null);
}

export class SignIn extends Component {
  state = { wrong: null };

  async submit(event) {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get("token");
    try {
      const grant = await signIn(token);
      if (grant) {
        remember(grant.role);
        this.props.done();
      } else this.setState({ wrong: "The manager does not know this token." });
    } catch (error) {
      this.setState({ wrong: error.message });
    }
  }

  componentDidMount() {
    document.querySelector(".sign-in input").focus();
  }

  render(_, { wrong }) {
    return html`<form class="sign-in" method="post" onSubmit=${(event) => this.submit(event)}>
      <h1>Sign in</h1>
      <p>This manager asks for a token.</p>
      ${wrong && html`<p class="trouble" role="alert">${wrong}</p>`}
      <label>
        Token
        <input name="token" type="password" required autocomplete="current-password" />
      </label>
      <div class="actions"><button class="primary">Sign in</button></div>
    </form>`;
  }
}
