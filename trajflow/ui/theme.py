"""How the page looks: Gradio's base theme in the project's colours."""

import gradio as gr


def theme() -> gr.themes.Base:
    """System fonts only: the page asks nothing of the network."""
    sans = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace")
    look = gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_lg,
        font=sans,
        font_mono=mono,
    )
    return look.set(
        body_background_fill="var(--tf-paper)",
        body_background_fill_dark="var(--tf-paper)",
        body_text_color="var(--tf-ink)",
        body_text_color_dark="var(--tf-ink)",
        block_background_fill="var(--tf-card)",
        block_background_fill_dark="var(--tf-card)",
        block_border_color="var(--tf-line)",
        block_border_color_dark="var(--tf-line)",
        button_primary_background_fill="var(--tf-accent)",
        button_primary_background_fill_dark="var(--tf-accent)",
        button_primary_background_fill_hover="var(--tf-accent-strong)",
        button_primary_background_fill_hover_dark="var(--tf-accent-strong)",
        button_primary_text_color="var(--tf-on-accent)",
        button_primary_text_color_dark="var(--tf-on-accent)",
    )
