// A view whose module comes after those that the page begins with.

import { Component, html } from "./html.js";
import { Trouble } from "./trouble.js";

export class Later extends Component {
  state = { View: null, error: null };

  // `view` gives the promise of the component that the other props are for.
  async componentDidMount() {
    try {
      this.setState({ View: await this.props.view() });
    } catch (error) {
      this.setState({ error });
    }
  }

  render({ view, ...props }, { View, error }) {
    return View ? html`<${View} ...${props} />` : html`<${Trouble} error=${error} />`;
  }
}
